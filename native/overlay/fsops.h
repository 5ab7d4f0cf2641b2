/*
 * File work relative to directory descriptors. A `name` is one component, never followed when it is a symlink; the
 * empty name is the descriptor itself. Paths are resolved by `open_in` alone. Functions return 0 or more, or -1.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "util.h"

/* A directory to work below, O_PATH. */
int open_root(const char *path, struct err *err);

/* Opens `path` as if `root` were `/`: openat2, or the walk where the kernel or a sandbox denies that call. */
int open_in(int root, const char *path, int flags, mode_t mode, struct err *err);
/* The same by single steps, each with O_NOFOLLOW, for old kernels and strict sandboxes. */
int open_in_walk(int root, const char *path, int flags, mode_t mode, struct err *err);

/* 0, or 1 when absent (ENOENT, ENOTDIR). */
int stat_at(int dir, const char *name, struct stat *st, struct err *err);
/* ENOTSUP for a symlink. */
int chmod_at(int dir, const char *name, mode_t mode, struct err *err);
/* mtime and atime, in nanoseconds. */
int set_times_at(int dir, const char *name, int64_t mtime, struct err *err);
/* Packs the entries: a DT_* byte, the name's length (uint16_t), the name. */
int read_dir(int dir, struct bytes *into, struct err *err);
/* A regular file's bytes: ELOOP for a symlink, EINVAL for another type. */
int read_file_at(int dir, const char *name, struct bytes *into, struct err *err);

struct new_file {
  const void *data;
  size_t len;
  mode_t mode;
  uid_t uid; /* (uid_t)-1: as it comes */
  gid_t gid;
  bool has_mtime;
  int64_t mtime;
};
/* A new regular file; nothing is left of it after a failure. */
int create_file_at(int dir, const char *name, const struct new_file *file, struct err *err);

/* From both positions on, holes kept: reflink, copy_file_range, read and write. The bytes passed. */
int64_t copy_file(int from, int to, struct err *err);
/* Packs pairs of int64_t: the start and end of each extent that holds data. */
int file_extents(int fd, struct bytes *into, struct err *err);

/* Deletes a tree. EBUSY at a mount point; absent is success. */
int remove_tree(int dir, const char *name, struct err *err);

/* Packs all attributes: name length (uint16_t), value length (uint32_t), name, value. Empty where unsupported. */
int list_xattrs(int dir, const char *name, struct bytes *into, struct err *err);
/* 0, or 1 when absent or unsupported. */
int get_xattr(int dir, const char *name, const char *attribute, struct bytes *into, struct err *err);
int set_xattr(int dir, const char *name, const char *attribute, const struct bytes *value, struct err *err);
int remove_xattr(int dir, const char *name, const char *attribute, struct err *err);
