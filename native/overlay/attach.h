/* Detached mounts and where they go. All functions but find_mount_point end the process when they fail. */
#pragma once

#include "rootfs.h"
#include "spec.h"

struct option {
  const char *key, *value;
};

/* A new file system, mounted nowhere yet. `attributes`: MOUNT_ATTR_*. -1 and errno. */
int new_filesystem(const char *type, const struct option *options, unsigned attributes);
/* A detached clone of the mount at `dir`/`path`. -1 and errno. */
int clone_tree(int dir, const char *path, bool recursive);
/* Adds MOUNT_ATTR_* to a detached mount. -1 and errno. */
int restrict_mount(int mount, uint64_t attributes, bool recursive);
/* On top of what `target` names. -1 and errno. */
int attach_mount(int mount, int target);

/* Makes the source of every bind a detached mount: in the mount namespace of bld, before there is another. */
void open_sources(struct spec *spec);
/* The binds and tmpfs of the spec, in its order. */
void attach_mounts(const struct spec *spec, int root, struct stubs *stubs);
