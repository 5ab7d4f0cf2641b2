/* System calls and constants that an older libc may not name. The numbers are the same on all architectures. */
#pragma once

#include <fcntl.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_open_tree
#define SYS_open_tree 428
#endif
#ifndef SYS_move_mount
#define SYS_move_mount 429
#endif
#ifndef SYS_fsopen
#define SYS_fsopen 430
#endif
#ifndef SYS_fsconfig
#define SYS_fsconfig 431
#endif
#ifndef SYS_fsmount
#define SYS_fsmount 432
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#ifndef SYS_listxattrat
#define SYS_listxattrat 465
#endif

#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif
#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif
#ifndef OPEN_TREE_CLOEXEC
#define OPEN_TREE_CLOEXEC O_CLOEXEC
#endif
#ifndef MOVE_MOUNT_F_EMPTY_PATH
#define MOVE_MOUNT_F_EMPTY_PATH 0x04
#endif
#ifndef FSOPEN_CLOEXEC
#define FSOPEN_CLOEXEC 1
#endif
#ifndef FSMOUNT_CLOEXEC
#define FSMOUNT_CLOEXEC 1
#endif
#ifndef MOUNT_ATTR_RDONLY
#define MOUNT_ATTR_RDONLY 0x01
#define MOUNT_ATTR_NOSUID 0x02
#define MOUNT_ATTR_NODEV 0x04
#define MOUNT_ATTR_NOEXEC 0x08
#endif
#ifndef FSCONFIG_SET_FLAG
#define FSCONFIG_SET_FLAG 0
#define FSCONFIG_SET_STRING 1
#define FSCONFIG_SET_FD 5
#define FSCONFIG_CMD_CREATE 6
#endif
#ifndef STATX_MNT_ID
#define STATX_MNT_ID 0x1000U
#endif
#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2
#endif

/* struct open_how and its flag, under our own names: linux/openat2.h may be missing. */
struct kernel_open_how {
  uint64_t flags, mode, resolve;
};
#define KERNEL_RESOLVE_IN_ROOT 0x10

/* struct mount_attr */
struct kernel_mount_attr {
  uint64_t set, clear, propagation, userns_fd;
};

static inline int kernel_openat2(int dir, const char *path, const struct kernel_open_how *how) {
  return (int)syscall(SYS_openat2, dir, path, how, sizeof *how);
}
static inline int kernel_fchmodat2(int dir, const char *path, mode_t mode, int flags) {
  return (int)syscall(SYS_fchmodat2, dir, path, mode, flags);
}
static inline int kernel_open_tree(int dir, const char *path, unsigned flags) {
  return (int)syscall(SYS_open_tree, dir, path, flags);
}
static inline int kernel_move_mount(int from, const char *path, int to, const char *target, unsigned flags) {
  return (int)syscall(SYS_move_mount, from, path, to, target, flags);
}
static inline int kernel_fsopen(const char *type, unsigned flags) {
  return (int)syscall(SYS_fsopen, type, flags);
}
static inline int kernel_fsconfig(int fd, unsigned command, const char *key, const void *value, int aux) {
  return (int)syscall(SYS_fsconfig, fd, command, key, value, aux);
}
static inline int kernel_fsmount(int fd, unsigned flags, unsigned attributes) {
  return (int)syscall(SYS_fsmount, fd, flags, attributes);
}
static inline int kernel_mount_setattr(int dir, const char *path, unsigned flags,
                                       const struct kernel_mount_attr *attr) {
  return (int)syscall(SYS_mount_setattr, dir, path, flags, attr, sizeof *attr);
}
static inline int kernel_close_range(unsigned first, unsigned last, unsigned flags) {
  return (int)syscall(SYS_close_range, first, last, flags);
}
