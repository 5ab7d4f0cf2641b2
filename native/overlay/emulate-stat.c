/* stat(2) and its family tell what the records say. 64-bit processes only: their structures are ours. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "objects.h"
#include "util.h"

/* Device numbers and ids as recorded; false when nothing is, and the kernel's answer is right. */
static bool recorded_stat(int fd, struct owner *owner, char device[32]) {
  char path[32];
  struct stat found;
  ssize_t length = 0;
  *device = 0;
  if (fstat(fd, &found) < 0 || (!S_ISREG(found.st_mode) && !S_ISDIR(found.st_mode))) return false;
  if (S_ISREG(found.st_mode) && found.st_size == 0) {
    show_path(fd, path);
    length = getxattr(path, DEVICE_RECORD, device, 31);
    device[length > 0 ? length : 0] = 0;
  }
  return read_owner(fd, owner) || length > 0;
}

static int64_t answer_stat(struct call *call, int fd, uint64_t address) {
  char device[32], kind;
  struct owner owner;
  struct stat found;
  unsigned major_number, minor_number;
  if (fd < 0 || !recorded_stat(fd, &owner, device) || fstat(fd, &found) < 0) return GO_ON;
  found.st_uid = owner.uid;
  found.st_gid = owner.gid;
  if (sscanf(device, "%c:%u:%u", &kind, &major_number, &minor_number) == 3) {
    found.st_mode = (found.st_mode & ~(mode_t)S_IFMT) | (kind == 'b' ? S_IFBLK : S_IFCHR);
    found.st_rdev = makedev(major_number, minor_number);
  }
  return write_memory(call, address, &found, sizeof found) < 0 ? -EFAULT : 0;
}

static int64_t stat_path(struct call *call, int dir, int at, int flags) {
  char path[PATH_MAX];
  if (!call->what->wide || read_path(call, call->args[at], path) < 0) return GO_ON;
  cleanup_fd int fd = open_object(call, dir, path, flags);
  return answer_stat(call, fd, call->args[at + 1]);
}

/* From now on, a caller's root need not be ours. */
static int64_t do_chroot(struct call *call) {
  call->emulation->other_roots = true;
  return GO_ON;
}

static int64_t do_stat(struct call *call) {
  return stat_path(call, AT_FDCWD, 0, 0);
}
static int64_t do_lstat(struct call *call) {
  return stat_path(call, AT_FDCWD, 0, AT_SYMLINK_NOFOLLOW);
}
static int64_t do_newfstatat(struct call *call) {
  return stat_path(call, (int)call->args[0], 1, (int)call->args[3]);
}
static int64_t do_fstat(struct call *call) {
  if (!call->what->wide) return GO_ON;
  cleanup_fd int fd = open_fd(call, (int)call->args[0]);
  return answer_stat(call, fd, call->args[1]);
}
static int64_t do_statx(struct call *call) {
  char path[PATH_MAX], device[32], kind;
  struct owner owner;
  struct statx found;
  unsigned major_number, minor_number;
  if (read_path(call, call->args[1], path) < 0) return GO_ON;
  cleanup_fd int fd = open_object(call, (int)call->args[0], path, (int)call->args[2]);
  if (fd < 0 || !recorded_stat(fd, &owner, device)) return GO_ON;
  if (statx(fd, "", AT_EMPTY_PATH, (unsigned)call->args[3], &found) < 0) return GO_ON;
  found.stx_uid = owner.uid;
  found.stx_gid = owner.gid;
  if (sscanf(device, "%c:%u:%u", &kind, &major_number, &minor_number) == 3) {
    found.stx_mode = (uint16_t)((found.stx_mode & ~S_IFMT) | (kind == 'b' ? S_IFBLK : S_IFCHR));
    found.stx_rdev_major = major_number;
    found.stx_rdev_minor = minor_number;
  }
  return write_memory(call, call->args[4], &found, sizeof found) < 0 ? -EFAULT : 0;
}

const struct named_handler stat_handlers[] = {
    {"stat", do_stat, false},   {"lstat", do_lstat, false},   {"fstat", do_fstat, false}, {"newfstatat", do_newfstatat, false},
    {"statx", do_statx, false}, {"chroot", do_chroot, false}, {NULL, NULL, false},
};
