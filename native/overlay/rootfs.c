#define _GNU_SOURCE
#include "rootfs.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "util.h"

#define MAX_LINKS 40

/* Where a walk is: `at` has no symlink, `.` or `..` in it and names `fd`; `rest` is still to go. */
struct position {
  int fd, links;
  char at[PATH_MAX], rest[PATH_MAX];
};

static int open_component(int dir, const char *name) {
  return RETRY(openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
}

static void move_to(struct position *position, int fd) {
  close_fd(&position->fd);
  position->fd = fd;
}

/* Down a path that has no symlinks. */
static int descend(int root, const char *path) {
  cleanup_fd int fd = RETRY(openat(root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  char copy[PATH_MAX], *save = NULL;
  snprintf(copy, sizeof copy, "%s", path);
  for (char *name = strtok_r(copy, "/", &save); name && fd >= 0; name = strtok_r(NULL, "/", &save)) {
    int next = open_component(fd, name);
    close_fd(&fd);
    fd = next;
  }
  return steal_fd(&fd);
}

static int go_up(const struct walk *walk, struct position *position) {
  char *slash = strrchr(position->at, '/');
  if (slash) *slash = 0;
  int fd = descend(walk->root, position->at);
  if (fd < 0) return -1;
  move_to(position, fd);
  return 0;
}

static int follow(const struct walk *walk, struct position *position, int link) {
  char target[PATH_MAX], rest[PATH_MAX];
  ssize_t length = readlinkat(link, "", target, sizeof target - 1);
  if (length < 0) return -1;
  target[length] = 0;
  if (walk->no_links || ++position->links > MAX_LINKS) {
    errno = ELOOP;
    return -1;
  }
  memcpy(rest, position->rest, sizeof rest);
  if (snprintf(position->rest, PATH_MAX, "%s/%s", target, rest) >= PATH_MAX) {
    errno = ENAMETOOLONG;
    return -1;
  }
  if (*target != '/') return 0;
  *position->at = 0;
  int fd = descend(walk->root, "");
  if (fd < 0) return -1;
  move_to(position, fd);
  return 0;
}

static int make(const struct walk *walk, const struct position *position, const char *name, bool directory) {
  struct stat before, after, made;
  if (walk->stubs && walk->stubs->count == MAX_STUBS) {
    errno = ENOSPC;
    return -1;
  }
  if (fstat(position->fd, &before) < 0) return -1;
  /* A descriptor by O_PATH serves as the directory of *at calls. */
  if (directory ? mkdirat(position->fd, name, 0755) : mknodat(position->fd, name, S_IFREG | 0644, 0)) return -1;
  cleanup_fd int fd = open_component(position->fd, name);
  if (fd < 0 || !walk->stubs) return steal_fd(&fd);
  if (fstat(fd, &made) < 0 || fstat(position->fd, &after) < 0) return -1;
  struct stub *stub = &walk->stubs->items[walk->stubs->count];
  stub->directory = directory;
  stub->dev = made.st_dev;
  stub->ino = made.st_ino;
  stub->before = before.st_mtim;
  stub->after = after.st_mtim;
  if (snprintf(stub->path, sizeof stub->path, "%s/%s", position->at, name) >= PATH_MAX) {
    errno = ENAMETOOLONG;
    return -1;
  }
  walk->stubs->count++;
  return steal_fd(&fd);
}

/* Takes the next component off `rest`. 0 at the end. */
static int next_component(struct position *position, char name[NAME_MAX + 1]) {
  char *start = position->rest + strspn(position->rest, "/");
  size_t length = strcspn(start, "/");
  if (length > NAME_MAX) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(name, start, length);
  name[length] = 0;
  memmove(position->rest, start + length, strlen(start + length) + 1);
  return length > 0;
}

static int step(const struct walk *walk, struct position *position, const char *name) {
  if (strcmp(name, ".") == 0) return 0;
  if (strcmp(name, "..") == 0) return go_up(walk, position);
  cleanup_fd int fd = open_component(position->fd, name);
  if (fd < 0 && errno == ENOENT) {
    bool last = position->rest[strspn(position->rest, "/")] == 0;
    fd = make(walk, position, name, walk->directory || !last);
  }
  struct stat found;
  if (fd < 0 || fstat(fd, &found) < 0) return -1;
  if (S_ISLNK(found.st_mode)) return follow(walk, position, fd);
  size_t length = strlen(position->at);
  if (snprintf(position->at + length, PATH_MAX - length, "/%s", name) >= (int)(PATH_MAX - length)) {
    errno = ENAMETOOLONG;
    return -1;
  }
  move_to(position, steal_fd(&fd));
  return 0;
}

int walk_to(const struct walk *walk, const char *path) {
  struct position position = {.fd = descend(walk->root, "")};
  if (position.fd < 0) return -1;
  if (snprintf(position.rest, PATH_MAX, "%s", path) >= PATH_MAX) {
    errno = ENAMETOOLONG;
    close_fd(&position.fd);
    return -1;
  }
  char name[NAME_MAX + 1];
  int more;
  while ((more = next_component(&position, name)) > 0)
    if (step(walk, &position, name) < 0) {
      more = -1;
      break;
    }
  if (more < 0) close_fd(&position.fd);
  return position.fd;
}

static bool same_time(const struct timespec *a, const struct timespec *b) {
  return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static void remove_stub(int root, const struct stub *stub) {
  char parent[PATH_MAX];
  const char *slash = strrchr(stub->path, '/');
  snprintf(parent, sizeof parent, "%.*s", (int)(slash - stub->path), stub->path);
  cleanup_fd int dir = descend(root, parent);
  struct stat found, above;
  if (dir < 0 || fstat(dir, &above) < 0) return;
  if (fstatat(dir, slash + 1, &found, AT_SYMLINK_NOFOLLOW) < 0) return;
  /* Overlayfs may number a directory anew; that an rmdir takes only an empty one is enough. */
  if (stub->directory ? !S_ISDIR(found.st_mode)
                      : !S_ISREG(found.st_mode) || found.st_ino != stub->ino || found.st_dev != stub->dev ||
                            found.st_size > 0)
    return;
  if (unlinkat(dir, slash + 1, stub->directory ? AT_REMOVEDIR : 0) < 0) return;
  if (!same_time(&above.st_mtim, &stub->after)) return;
  struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, stub->before};
  (void)utimensat(dir, ".", times, 0);
}

void remove_stubs(int root, const struct stubs *stubs) {
  for (unsigned i = stubs->count; i > 0; i--) remove_stub(root, &stubs->items[i - 1]);
}
