#define _GNU_SOURCE
#include "attach.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include "kernel.h"
#include "objects.h"
#include "report.h"
#include "util.h"

#define PROC_MAGIC 0x9fa0
#define TEXT_NAME ".text"
/* MS_* of linux/mount.h, which sys/mount.h has too */
static const struct {
  const char *name;
  uint64_t flag;
} PROPAGATIONS[] = {{"private", MS_PRIVATE}, {"slave", MS_SLAVE}, {"shared", MS_SHARED}};

int new_filesystem(const char *type, const struct option *options, unsigned attributes) {
  cleanup_fd int fs = kernel_fsopen(type, FSOPEN_CLOEXEC);
  if (fs < 0) return -1;
  /* The name in /proc/mounts. */
  if (kernel_fsconfig(fs, FSCONFIG_SET_STRING, "source", type, 0) < 0) return -1;
  for (const struct option *option = options; option && option->key; option++) {
    unsigned command = option->value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;
    if (kernel_fsconfig(fs, command, option->key, option->value, 0) < 0) return -1;
  }
  if (kernel_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) return -1;
  return kernel_fsmount(fs, FSMOUNT_CLOEXEC, attributes);
}

int clone_tree(int dir, const char *path, bool recursive) {
  unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (*path ? 0 : AT_EMPTY_PATH);
  return kernel_open_tree(dir, path, flags | (recursive ? AT_RECURSIVE : 0));
}

int restrict_mount(int mount, uint64_t attributes, bool recursive) {
  struct kernel_mount_attr attr = {.set = attributes};
  return kernel_mount_setattr(mount, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr);
}

int attach_mount(int mount, int target) {
  return kernel_move_mount(mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | 0x40 /* ..._T_EMPTY_PATH */);
}

static void open_source(struct mount_spec *mount) {
  if (mount->source) {
    mount->fd = clone_tree(AT_FDCWD, mount->source, mount->recursive);
    if (mount->fd < 0) die("mount", "binding '%s' on '%s'", mount->source, mount->target);
  } else {
    /* EINVAL: not a mount of this namespace, so it is a detached one already. */
    int clone = clone_tree(mount->fd, "", mount->recursive);
    if (clone >= 0) mount->fd = clone;
    else if (errno != EINVAL) die("mount", "binding descriptor %d on '%s'", mount->fd, mount->target);
  }
  struct stat found;
  if (fstat(mount->fd, &found) < 0) die("mount", "looking at what goes to '%s'", mount->target);
  mount->directory = S_ISDIR(found.st_mode);
}

void open_sources(struct spec *spec) {
  for (size_t i = 0; i < spec->mount_count; i++)
    if (spec->mounts[i].kind == MOUNT_BIND) open_source(&spec->mounts[i]);
    else spec->mounts[i].directory = spec->mounts[i].kind == MOUNT_TMPFS;
}

static uint64_t attributes_of(const struct mount_spec *mount) {
  return (mount->readonly ? MOUNT_ATTR_RDONLY : 0) | (mount->nosuid ? MOUNT_ATTR_NOSUID : 0) |
         (mount->nodev ? MOUNT_ATTR_NODEV : 0) | (mount->noexec ? MOUNT_ATTR_NOEXEC : 0);
}

static void set_propagation(const struct mount_spec *mount, int fd) {
  const char *name = mount->propagation ? mount->propagation : "rprivate";
  bool recursive = *name == 'r';
  for (size_t i = 0; i < sizeof PROPAGATIONS / sizeof *PROPAGATIONS; i++) {
    if (strcmp(name + recursive, PROPAGATIONS[i].name) != 0) continue;
    struct kernel_mount_attr attr = {.propagation = PROPAGATIONS[i].flag};
    if (kernel_mount_setattr(fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr) < 0)
      die("mount", "propagation '%s' of '%s'", name, mount->target);
    return;
  }
  errno = EINVAL;
  die("mount", "unknown propagation '%s' of '%s'", name, mount->target);
}

static int new_tmpfs(const struct mount_spec *mount) {
  struct option options[3] = {0};
  size_t count = 0;
  options[count++] = (struct option){"mode", mount->mode ? mount->mode : "1777"};
  if (mount->size) options[count++] = (struct option){"size", mount->size};
  return new_filesystem("tmpfs", options, (unsigned)attributes_of(mount));
}

/* Neither the root itself nor something in /proc, where a mount would lie to programs that trust it. */
static void check_target(const struct mount_spec *mount, int target, int root) {
  struct statfs fs;
  struct statx at, top;
  if (fstatfs(target, &fs) < 0 || statx(target, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &at) < 0 ||
      statx(root, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &top) < 0)
    die("mount", "looking at mount point '%s'", mount->target);
  errno = EPERM;
  if (fs.f_type == PROC_MAGIC) die("mount", "mount point '%s' lies in /proc", mount->target);
  if (at.stx_mnt_id == top.stx_mnt_id && at.stx_ino == top.stx_ino)
    die("mount", "mount point '%s' is the root directory", mount->target);
  bool directory = S_ISDIR(at.stx_mode);
  errno = directory ? EISDIR : ENOTDIR;
  if (directory != mount->directory)
    die("mount", "mount point '%s' is %sa directory, and what is mounted there is%s", mount->target,
        directory ? "" : "not ", directory ? " not" : "");
}

/* With one id there is no other owner; what stat tells is the record, where the file system takes one. */
static int own_text(const struct mount_spec *mount, int file, bool emulated) {
  char record[32];
  mode_t mode = mount->mode ? (mode_t)strtoul(mount->mode, NULL, 8) : 0644;
  if (mount->uid || mount->gid) {
    snprintf(record, sizeof record, "%u:%u", mount->uid, mount->gid);
    if (emulated) (void)fsetxattr(file, OWNER_RECORD, record, strlen(record), 0);
    else if (fchown(file, mount->uid, mount->gid) < 0) return -1;
  }
  return fchmod(file, mode);
}

/* A file of the tmpfs at /dev, by a name that goes when it is mounted. */
static int new_text(const struct mount_spec *mount, int dev, bool emulated) {
  cleanup_fd int file = RETRY(openat(dev, TEXT_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (file < 0 || write_all(file, mount->text, mount->text_length) < 0) return -1;
  if (own_text(mount, file, emulated) < 0) return -1;
  int clone = clone_tree(dev, TEXT_NAME, false);
  if (clone >= 0 && mount->readonly && restrict_mount(clone, MOUNT_ATTR_RDONLY, false) < 0) return -1;
  return clone;
}

static int source_of(const struct mount_spec *mount, int dev, bool emulated) {
  switch (mount->kind) {
    case MOUNT_BIND: return mount->fd;
    case MOUNT_TMPFS: return new_tmpfs(mount);
    case MOUNT_TEXT: return new_text(mount, dev, emulated);
  }
  return -1;
}

void attach_mounts(const struct spec *spec, int root, struct stubs *stubs) {
  cleanup_fd int dev = RETRY(openat(root, "dev", O_PATH | O_CLOEXEC));
  for (size_t i = 0; i < spec->mount_count; i++) {
    const struct mount_spec *mount = &spec->mounts[i];
    bool text = mount->kind == MOUNT_TEXT, ours = text && !mount->secret;
    struct walk walk = {
        .root = root, .directory = mount->directory, .stubs = spec->keep_mount_points && !ours ? NULL : stubs};
    cleanup_fd int target = walk_to(&walk, mount->target);
    if (target < 0 && ours && errno == EROFS) continue; /* an image without it, and without a place for it */
    if (target < 0) die("mount", "making mount point '%s'", mount->target);
    check_target(mount, target, root);
    cleanup_fd int fd = source_of(mount, dev, spec->emulate);
    if (fd < 0) die("mount", "making what goes to '%s'", mount->target);
    if (mount->kind == MOUNT_BIND) {
      if (restrict_mount(fd, attributes_of(mount), mount->recursive) < 0)
        die("mount", "options of '%s'", mount->target);
      set_propagation(mount, fd);
    }
    if (attach_mount(fd, target) < 0) die("mount", "mounting on '%s'", mount->target);
    if (text && unlinkat(dev, TEXT_NAME, 0) < 0) die("mount", "preparing '%s'", mount->target);
  }
}
