#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "fsops.h"
#include "kernel.h"

enum { OPEN_LEVELS = 32 };

/* What a directory is: enough to know it again, and to see that another mount begins. */
struct identity {
  uint64_t mount, dev, ino;
};

/* A directory being emptied. `stream` is NULL where it had to be closed: no more than OPEN_LEVELS stay open. */
struct level {
  char *name;
  DIR *stream;
  struct identity identity;
  bool removed; /* something, since its scan began */
};

struct removal {
  int dir; /* the parent of levels[0] */
  struct level *levels;
  size_t depth, cap;
};

static void pop(struct removal *removal) {
  struct level *level = &removal->levels[--removal->depth];
  if (level->stream) closedir(level->stream);
  free(level->name);
}

static void end_removal(struct removal *removal) {
  while (removal->depth > 0) pop(removal);
  free(removal->levels);
}

static int identify(int fd, struct identity *identity, mode_t *mode) {
  struct statx stx;
  if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_MODE | STATX_MNT_ID, &stx) == 0) {
    identity->mount = stx.stx_mask & STATX_MNT_ID ? stx.stx_mnt_id : 0;
    identity->dev = (uint64_t)stx.stx_dev_major << 32 | stx.stx_dev_minor;
    identity->ino = stx.stx_ino;
    *mode = stx.stx_mode;
    return 0;
  }
  struct stat st; /* a sandbox that denies statx */
  if (fstat(fd, &st)) return -1;
  *identity = (struct identity){.dev = st.st_dev, .ino = st.st_ino};
  *mode = st.st_mode;
  return 0;
}

static int open_dir(int parent, const char *name) {
  return RETRY(openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

/* The descriptor that holds level `index`'s directory's name; -1 is not possible while it is open. */
static int parent_of(const struct removal *removal, size_t index) {
  return index == 0 ? removal->dir : dirfd(removal->levels[index - 1].stream);
}

static int push(struct removal *removal, const char *name, struct err *err) {
  int parent = parent_of(removal, removal->depth);
  cleanup_fd int fd = open_dir(parent, name);
  struct err ignored;
  if (fd < 0 && errno == EACCES && chmod_at(parent, name, 0700, &ignored) == 0) fd = open_dir(parent, name);
  if (fd < 0 && errno == ENOENT) return 0;
  if (fd < 0) return fail(err, "openat '" SHOWN "'", name);

  struct level level = {0};
  struct identity above;
  mode_t mode, unused;
  if (identify(fd, &level.identity, &mode) || identify(parent, &above, &unused)) return fail(err, "statx");
  if (level.identity.mount != above.mount || level.identity.dev != above.dev)
    return fail_code(err, EBUSY, "removeTree '" SHOWN "'", name);
  /* An owner without privileges needs these bits to empty it. */
  if ((mode & 0700) != 0700 && fchmod(fd, 0700) && errno != EPERM) return fail(err, "fchmod '" SHOWN "'", name);

  if (removal->depth == removal->cap) {
    size_t cap = removal->cap * 2 + 64;
    struct level *levels = reallocarray(removal->levels, cap, sizeof *levels);
    if (!levels) return fail(err, "removeTree");
    removal->levels = levels;
    removal->cap = cap;
  }
  level.name = strdup(name);
  level.stream = level.name ? fdopendir(fd) : NULL;
  if (!level.stream) {
    free(level.name);
    return fail(err, "fdopendir '" SHOWN "'", name);
  }
  steal_fd(&fd);
  removal->levels[removal->depth++] = level;
  if (removal->depth > OPEN_LEVELS) {
    struct level *far = &removal->levels[removal->depth - 1 - OPEN_LEVELS];
    if (far->stream) closedir(far->stream);
    far->stream = NULL;
  }
  return 0;
}

/* Opens the level above the deepest again, by `..`, if that still leads to the same directory. */
static int reopen_parent(struct removal *removal, struct err *err) {
  struct level *level = &removal->levels[removal->depth - 2];
  if (level->stream) return 0;
  cleanup_fd int fd = open_dir(dirfd(level[1].stream), "..");
  struct identity found;
  mode_t mode;
  if (fd < 0 || identify(fd, &found, &mode)) return fail(err, "openat '..'");
  if (memcmp(&found, &level->identity, sizeof found)) return fail_code(err, ESTALE, "openat '..'");
  level->stream = fdopendir(fd);
  if (!level->stream) return fail(err, "fdopendir '..'");
  steal_fd(&fd);
  return 0;
}

/* The deepest directory had its last entry read: removes it, or scans once more what came meanwhile. */
static int finish(struct removal *removal, struct err *err) {
  if (removal->depth > 1 && reopen_parent(removal, err)) return -1;
  struct level *level = &removal->levels[removal->depth - 1];
  if (unlinkat(parent_of(removal, removal->depth - 1), level->name, AT_REMOVEDIR) && errno != ENOENT) {
    if (errno != ENOTEMPTY || !level->removed) return fail(err, "rmdir '" SHOWN "'", level->name);
    level->removed = false;
    rewinddir(level->stream);
    return 0;
  }
  pop(removal);
  if (removal->depth > 0) removal->levels[removal->depth - 1].removed = true;
  return 0;
}

int remove_tree(int dir, const char *name, struct err *err) {
  if (unlinkat(dir, name, 0) == 0 || errno == ENOENT || errno == ENOTDIR) return 0;
  if (errno != EISDIR) return fail(err, "unlinkat '" SHOWN "'", name);
  __attribute__((cleanup(end_removal))) struct removal removal = {.dir = dir};
  if (push(&removal, name, err)) return -1;
  while (removal.depth > 0) {
    struct level *level = &removal.levels[removal.depth - 1];
    errno = 0;
    const struct dirent *entry = readdir(level->stream);
    if (!entry && errno) return fail(err, "readdir '" SHOWN "'", level->name);
    if (!entry) {
      if (finish(&removal, err)) return -1;
      continue;
    }
    if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
    if (entry->d_type != DT_DIR) {
      if (unlinkat(dirfd(level->stream), entry->d_name, 0) == 0 || errno == ENOENT) {
        level->removed = true;
        continue;
      }
      if (errno != EISDIR) return fail(err, "unlinkat '" SHOWN "'", entry->d_name);
    }
    if (push(&removal, entry->d_name, err)) return -1;
  }
  return 0;
}
