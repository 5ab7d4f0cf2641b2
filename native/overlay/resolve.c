#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "fsops.h"
#include "kernel.h"

enum { MAX_LINKS = 40 }; /* the kernel's own limit */

/*
 * The walk keeps no parent descriptors. `done` is the resolved part, components without links; `todo` what is left.
 * `..` drops the last component of `done` and walks it again from the root, so that a directory that is moved out of
 * the root meanwhile cannot lead outside.
 */
struct walk {
  int root, at;     /* `at` is open on `done` */
  char *done;       /* "a/b", "" at the root */
  char *todo;       /* allocated; `rest` points into it */
  const char *rest;
  int links;
};

static void end_walk(struct walk *walk) {
  close_fd(&walk->at);
  free(walk->done);
  free(walk->todo);
}

static int step(int from, const char *name) {
  return RETRY(openat(from, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

static int enter(struct walk *walk, const char *name) {
  int fd = step(walk->at, name);
  if (fd < 0) return -1;
  close_fd(&walk->at);
  walk->at = fd;
  char *done;
  if (asprintf(&done, "%s%s%s", walk->done, *walk->done ? "/" : "", name) < 0) return -1;
  free(walk->done);
  walk->done = done;
  return 0;
}

static int leave(struct walk *walk) {
  char *slash = strrchr(walk->done, '/');
  *(slash ? slash : walk->done) = 0;
  cleanup_fd int fd = step(walk->root, ".");
  for (const char *from = walk->done; fd >= 0 && *from;) {
    char name[NAME_MAX + 1];
    size_t len = strcspn(from, "/");
    memcpy(name, from, len);
    name[len] = 0;
    from += len + (from[len] == '/');
    int next = step(fd, name);
    close_fd(&fd);
    fd = next;
  }
  if (fd < 0) return -1;
  close_fd(&walk->at);
  walk->at = steal_fd(&fd);
  return 0;
}

/* Puts the link's text in front of what is left. `link` is open on it (O_PATH). */
static int follow(struct walk *walk, int link) {
  if (++walk->links > MAX_LINKS) {
    errno = ELOOP;
    return -1;
  }
  char target[PATH_MAX];
  ssize_t len = readlinkat(link, "", target, sizeof target - 1);
  if (len < 0) return -1;
  target[len] = 0;
  if (*target == '/') {
    *walk->done = 0;
    int fd = step(walk->root, ".");
    if (fd < 0) return -1;
    close_fd(&walk->at);
    walk->at = fd;
  }
  char *todo;
  if (asprintf(&todo, "%s%s", target, walk->rest) < 0) return -1;
  free(walk->todo);
  walk->todo = todo;
  walk->rest = todo;
  return 0;
}

/* Takes the next component off `rest`; what follows it, slashes included, stays. "" at the end. */
static int take(struct walk *walk, char name[NAME_MAX + 1]) {
  walk->rest += strspn(walk->rest, "/");
  size_t len = strcspn(walk->rest, "/");
  if (len > NAME_MAX) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(name, walk->rest, len);
  name[len] = 0;
  walk->rest += len;
  return 0;
}

static int walk_on(struct walk *walk, int flags, mode_t mode) {
  for (;;) {
    char name[NAME_MAX + 1];
    if (take(walk, name)) return -1;
    bool last = walk->rest[strspn(walk->rest, "/")] == 0;
    bool directory = *walk->rest == '/'; /* a slash at the end demands one */
    if (!strcmp(name, "..") && *walk->done && leave(walk)) return -1;
    if (!*name || !strcmp(name, ".") || !strcmp(name, "..")) {
      if (last) return RETRY(openat(walk->at, ".", flags, mode));
      continue;
    }
    if (last && directory && (flags & O_CREAT)) { /* without a look at what is there, as the kernel does it */
      errno = EISDIR;
      return -1;
    }
    bool follows = !last || directory || !(flags & O_NOFOLLOW);
    if (last && (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)) follows = false;
    cleanup_fd int here = RETRY(openat(walk->at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    struct stat st;
    if (here >= 0 && fstat(here, &st)) return -1;
    if (here >= 0 && follows && S_ISLNK(st.st_mode)) {
      if (follow(walk, here)) return -1;
      continue;
    }
    if (last) {
      int type = directory ? O_DIRECTORY : 0;
      return RETRY(openat(walk->at, name, flags | type | O_NOFOLLOW, mode));
    }
    if (enter(walk, name)) return -1;
  }
}

int open_in_walk(int root, const char *path, int flags, mode_t mode, struct err *err) {
  if (!*path) return fail_code(err, ENOENT, "openat ''");
  __attribute__((cleanup(end_walk))) struct walk walk = {.root = root, .at = step(root, ".")};
  if (walk.at < 0) return fail(err, "openat '" SHOWN "'", path);
  walk.done = strdup("");
  walk.todo = strdup(path);
  walk.rest = walk.todo;
  if (!walk.done || !walk.todo) return fail(err, "openat '" SHOWN "'", path);
  int fd = walk_on(&walk, flags | O_CLOEXEC, mode);
  return fd < 0 ? fail(err, "openat '" SHOWN "'", path) : fd;
}

int open_in(int root, const char *path, int flags, mode_t mode, struct err *err) {
  /* openat2 refuses a mode without O_CREAT, and bits beyond 07777. */
  struct kernel_open_how how = {
      .flags = (uint64_t)(unsigned)flags | O_CLOEXEC,
      .mode = flags & O_CREAT ? mode & 07777 : 0,
      .resolve = KERNEL_RESOLVE_IN_ROOT,
  };
  /* EAGAIN: something was renamed while the kernel walked over `..`. */
  for (int tries = 0; tries < 64; tries++) {
    int fd = kernel_openat2(root, path, &how);
    if (fd >= 0) return fd;
    if (errno != EAGAIN && errno != EINTR) break;
  }
  if (errno == ENOSYS || errno == EPERM || errno == EAGAIN) return open_in_walk(root, path, flags, mode, err);
  return fail(err, "openat2 '" SHOWN "'", path);
}
