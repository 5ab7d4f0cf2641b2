/* Owners and devices, kept as records; and what users without privilege make, which is theirs. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>

#include "objects.h"
#include "util.h"

static bool in_group(const struct ids *ids, gid_t gid) {
  if (gid == ids->fsgid) return true;
  for (size_t i = 0; i < ids->group_count; i++)
    if (ids->groups[i] == gid) return true;
  return false;
}

static int64_t change_owner(struct call *call, int fd, uid_t uid, gid_t gid) {
  if (fd < 0) return errno == ELOOP ? GO_ON : -errno;
  if (!still_waiting(call)) return -ESRCH;
  struct owner owner;
  bool recorded = read_owner(fd, &owner);
  const struct ids *ids = ids_of(&call->emulation->ids, call->thread);
  if (ids->fsuid != 0 && ((uid != KEEP_ID && uid != owner.uid) || (gid != KEEP_ID && gid != owner.gid && !in_group(ids, gid)) ||
                          owner.uid != ids->fsuid))
    return -EPERM;
  /* The kernel's share: it takes set-id bits and capabilities away, and copies up. */
  if (fchownat(fd, "", (uid_t)-1, (gid_t)-1, AT_EMPTY_PATH) < 0) return -errno;
  struct owner wanted = {uid == KEEP_ID ? owner.uid : uid, gid == KEEP_ID ? owner.gid : gid};
  struct stat found;
  bool same = wanted.uid == owner.uid && wanted.gid == owner.gid;
  if (same && (recorded || (fstat(fd, &found) == 0 && !S_ISLNK(found.st_mode)))) return 0;
  return record_owner(call, fd, wanted);
}

static int64_t chown_path(struct call *call, int dir, int at, int flags) {
  char path[PATH_MAX];
  if (read_path(call, call->args[at], path) < 0) return -errno;
  cleanup_fd int fd = open_object(call, dir, path, flags);
  return change_owner(call, fd, id_argument(call, at + 1), id_argument(call, at + 2));
}

static int64_t do_chown(struct call *call) {
  return chown_path(call, AT_FDCWD, 0, 0);
}
static int64_t do_lchown(struct call *call) {
  return chown_path(call, AT_FDCWD, 0, AT_SYMLINK_NOFOLLOW);
}
static int64_t do_fchownat(struct call *call) {
  return chown_path(call, (int)call->args[0], 1, (int)call->args[4]);
}
static int64_t do_fchown(struct call *call) {
  cleanup_fd int fd = open_fd(call, (int)call->args[0]);
  if (fd < 0) return -EBADF;
  return change_owner(call, fd, id_argument(call, 1), id_argument(call, 2));
}

static mode_t umask_of(const struct call *call) {
  char path[32], text[2048];
  unsigned mask = 022;
  snprintf(path, sizeof path, "%d/status", (int)call->thread);
  cleanup_fd int fd = RETRY(openat(call->emulation->proc, path, O_RDONLY | O_CLOEXEC));
  ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  if (length <= 0) return mask;
  text[length] = 0;
  const char *at = strstr(text, "\nUmask:");
  if (at) (void)sscanf(at + 7, "%o", &mask);
  return mask;
}

/* Who a new object belongs to; false when it is root's, and the kernel does it well. */
static bool has_other_owner(struct call *call, struct owner *owner) {
  const struct ids *ids = ids_of(&call->emulation->ids, call->thread);
  *owner = (struct owner){ids->fsuid, ids->fsgid};
  return owner->uid != 0 || owner->gid != 0;
}

static int64_t own_new(const struct call *call, int parent, const char *name, struct owner owner) {
  cleanup_fd int fd = RETRY(openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
  return fd < 0 ? -errno : record_owner(call, fd, owner);
}

static int64_t make_node(struct call *call, int dir, int at) {
  char path[PATH_MAX], name[NAME_MAX + 1], device[32];
  mode_t mode = (mode_t)call->args[at + 1];
  struct owner owner;
  bool other = has_other_owner(call, &owner), is_device = S_ISCHR(mode) || S_ISBLK(mode);
  if (!is_device && !other) return GO_ON;
  if (is_device && owner.uid != 0) return -EPERM;
  if (read_path(call, call->args[at], path) < 0) return -errno;
  cleanup_fd int parent = open_parent(call, dir, path, name);
  if (parent < 0) return -errno;
  if (!still_waiting(call)) return -ESRCH;
  mode_t bits = mode & 07777 & ~umask_of(call);
  if (mknodat(parent, name, (is_device ? S_IFREG : mode & S_IFMT) | bits, 0) < 0) return -errno;
  if (!is_device) return own_new(call, parent, name, owner);
  cleanup_fd int fd = RETRY(openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
  unsigned number = (unsigned)call->args[at + 2];
  size_t length = (size_t)snprintf(device, sizeof device, "%c:%u:%u", S_ISCHR(mode) ? 'c' : 'b',
                                   (number >> 8 & 0xfff), (number & 0xff) | (number >> 12 & 0xfff00));
  show_path(fd, path);
  if (fd < 0 || setxattr(path, DEVICE_RECORD, device, length, 0) < 0) {
    (void)unlinkat(parent, name, 0);
    return -EPERM;
  }
  return other ? record_owner(call, fd, owner) : 0;
}

static int64_t do_mknod(struct call *call) {
  return make_node(call, AT_FDCWD, 0);
}
static int64_t do_mknodat(struct call *call) {
  return make_node(call, (int)call->args[0], 1);
}

static int64_t make_directory(struct call *call, int dir, int at) {
  char path[PATH_MAX], name[NAME_MAX + 1];
  struct owner owner;
  if (!has_other_owner(call, &owner)) return GO_ON;
  if (read_path(call, call->args[at], path) < 0) return -errno;
  cleanup_fd int parent = open_parent(call, dir, path, name);
  if (parent < 0) return -errno;
  if (!still_waiting(call)) return -ESRCH;
  if (mkdirat(parent, name, (mode_t)call->args[at + 1] & 07777 & ~umask_of(call)) < 0) return -errno;
  return own_new(call, parent, name, owner);
}

static int64_t do_mkdir(struct call *call) {
  return make_directory(call, AT_FDCWD, 0);
}
static int64_t do_mkdirat(struct call *call) {
  return make_directory(call, (int)call->args[0], 1);
}

static int64_t make_symlink(struct call *call, int dir, int at) {
  char path[PATH_MAX], target[PATH_MAX], name[NAME_MAX + 1];
  struct owner owner;
  if (!has_other_owner(call, &owner)) return GO_ON;
  if (read_path(call, call->args[0], target) < 0 || read_path(call, call->args[at], path) < 0) return -errno;
  cleanup_fd int parent = open_parent(call, dir, path, name);
  if (parent < 0) return -errno;
  if (!still_waiting(call)) return -ESRCH;
  return symlinkat(target, parent, name) < 0 ? -errno : own_new(call, parent, name, owner);
}

static int64_t do_symlink(struct call *call) {
  return make_symlink(call, AT_FDCWD, 1);
}
static int64_t do_symlinkat(struct call *call) {
  return make_symlink(call, (int)call->args[1], 2);
}

/* Hands an open file over as the call's result. */
static int64_t give(const struct call *call, int fd, int flags) {
  struct seccomp_notif_addfd gift = {.id = call->id,
                                     .flags = SECCOMP_ADDFD_FLAG_SEND,
                                     .srcfd = (uint32_t)fd,
                                     .newfd_flags = (uint32_t)(flags & O_CLOEXEC)};
  if (ioctl(call->emulation->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &gift) >= 0) return ANSWERED;
  return errno == ENOENT ? ANSWERED : -errno;
}

/* A file that the call creates gets its owner first; the kernel then opens it, unless the call insists on creating. */
static int64_t open_new(struct call *call, int dir, int at, int flags, mode_t mode) {
  char path[PATH_MAX], name[NAME_MAX + 1];
  struct owner owner;
  if (!has_other_owner(call, &owner)) return GO_ON;
  if (read_path(call, call->args[at], path) < 0) return -errno;
  cleanup_fd int parent = open_parent(call, dir, path, name);
  if (parent < 0 || !still_waiting(call)) return GO_ON;
  mode_t bits = mode & 07777 & ~umask_of(call);
  bool exclusive = flags & O_EXCL;
  int how = exclusive ? flags : O_WRONLY | O_CREAT | O_EXCL;
  cleanup_fd int fd = RETRY(openat(parent, name, how | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, bits));
  if (fd < 0) return exclusive ? -errno : GO_ON;
  (void)own_new(call, parent, name, owner);
  return exclusive ? give(call, fd, flags) : GO_ON;
}

static int64_t do_open(struct call *call) {
  return open_new(call, AT_FDCWD, 0, (int)call->args[1], (mode_t)call->args[2]);
}
static int64_t do_openat(struct call *call) {
  return open_new(call, (int)call->args[0], 1, (int)call->args[2], (mode_t)call->args[3]);
}
static int64_t do_creat(struct call *call) {
  return open_new(call, AT_FDCWD, 0, O_CREAT | O_WRONLY | O_TRUNC, (mode_t)call->args[1]);
}

const struct named_handler file_handlers[] = {
    {"chown", do_chown, true},          {"lchown", do_lchown, true},   {"fchown", do_fchown, true},
    {"fchownat", do_fchownat, false},   {"mknod", do_mknod, false},    {"mknodat", do_mknodat, false},
    {"mkdir", do_mkdir, false},         {"mkdirat", do_mkdirat, false}, {"symlink", do_symlink, false},
    {"symlinkat", do_symlinkat, false}, {"open", do_open, false},      {"openat", do_openat, false},
    {"creat", do_creat, false},         {NULL, NULL, false},
};
