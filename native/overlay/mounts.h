/* Mounts by the new API: detached ones, that nobody but the holder of a descriptor can see. */
#pragma once

#include <stdbool.h>

#include "util.h"

struct overlay {
  const char *const *lower; /* absolute, the uppermost first */
  size_t lowers;            /* at least one */
  const char *upper, *work; /* both, or NULL: read-only */
  bool userxattr;
  bool legacy; /* for tests: as on kernels without lowerdir+ */
};

/* A detached overlay. */
int mount_overlay(const struct overlay *overlay, struct err *err);
/* A detached, empty tmpfs; size and mode as it takes them, size may be NULL: its default. */
int mount_tmpfs(const char *size, const char *mode, struct err *err);
/* A detached clone of what is at `path`, with the mounts below it if `recursive`. */
int clone_tree(const char *path, bool recursive, struct err *err);
/* Attaches a detached mount at `path`, in the mount namespace `namespace`, or here if that is -1. */
int attach_mount(int mount, const char *path, int namespace, struct err *err);
/* umount2(MNT_DETACH) of the uppermost mount at `path`, in `namespace` or here. */
int detach_mount(const char *path, int namespace, struct err *err);
