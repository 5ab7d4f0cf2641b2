/* Paths below the new root, and the mount points that had to be made for it. */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <time.h>

#define MAX_STUBS 128

/* A file or directory made as a mount point: gone again after the command, if still the same and empty. */
struct stub {
  bool directory;
  dev_t dev;
  ino_t ino;
  /* The parent's time before and after: set back when nothing else changed there. */
  struct timespec before, after;
  char path[PATH_MAX];
};

/* In memory that the sandbox's first process shares with the helper outside. */
struct stubs {
  unsigned count;
  struct stub items[MAX_STUBS];
};

struct walk {
  int root;
  bool directory;      /* what to make of a missing last component */
  bool no_links;       /* a symlink on the way is ELOOP */
  struct stubs *stubs; /* where what was made is noted; NULL: it stays */
};

/*
 * An O_PATH descriptor of `path` below walk->root, missing parts made. Symlinks are followed as the container will
 * follow them, each component by its own O_NOFOLLOW open, `..` never by the kernel: the result is below the root
 * whatever others do meanwhile. -1 and errno.
 */
int walk_to(const struct walk *walk, const char *path);

/* Removes the stubs, the last first, unless the command put something there. */
void remove_stubs(int root, const struct stubs *stubs);
