#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#include "fsops.h"
#include "kernel.h"

/*
 * The calls that take a descriptor and a name are of Linux 6.13; /proc/self/fd/N/name does the same everywhere, also
 * for symlinks. Without /proc the file itself is opened, which serves regular files and directories.
 */
struct target {
  char path[32 + NAME_MAX + 1];
  int fd; /* >= 0: use this, not the path */
};

static void close_target(struct target *target) {
  close_fd(&target->fd);
}
#define cleanup_target __attribute__((cleanup(close_target)))

static int find_target(int dir, const char *name, struct target *target, struct err *err) {
  target->fd = -1;
  int n = snprintf(target->path, sizeof target->path, "/proc/self/fd/%d/%s", dir, *name ? name : ".");
  if (n >= (int)sizeof target->path) return fail_code(err, ENAMETOOLONG, "xattr '" SHOWN "'", name);
  /* Without a name it is the descriptor's own object, whatever its type: the magic link has to be followed. */
  if (!*name) snprintf(target->path, sizeof target->path, "/proc/self/fd/%d", dir);
  return 0;
}

static int open_target(int dir, const char *name, struct target *target) {
  int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  struct stat st;
  if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) return -1;
  if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
    errno = EOPNOTSUPP;
    return -1;
  }
  if (*name || S_ISDIR(st.st_mode)) target->fd = RETRY(openat(dir, *name ? name : ".", flags));
  else target->fd = fcntl(dir, F_DUPFD_CLOEXEC, 0);
  return target->fd < 0 ? -1 : 0;
}

/* True when the last call failed for want of /proc and the target is now open instead. */
static bool without_proc(int dir, const char *name, struct target *target) {
  int saved = errno;
  if ((saved == ENOENT || saved == ENOTDIR) && target->fd < 0 && access("/proc/self/fd", F_OK) != 0) {
    return open_target(dir, name, target) == 0;
  }
  errno = saved;
  return false;
}

/* One call in its three forms: of the open file, of the link's target (the magic link), of the name. */
#define CALL(action, ...)                                                     \
  (target->fd >= 0 ? f##action(target->fd, ##__VA_ARGS__)                     \
   : *name         ? l##action(target->path, ##__VA_ARGS__)                   \
                   : action(target->path, ##__VA_ARGS__))

static ssize_t list_once(const struct target *target, const char *name, char *list, size_t size) {
  return CALL(listxattr, list, size);
}
static ssize_t get_once(const struct target *target, const char *name, const char *key, void *value, size_t size) {
  return CALL(getxattr, key, value, size);
}
static int set_once(const struct target *target, const char *name, const char *key, const struct bytes *value) {
  return CALL(setxattr, key, value->data, value->len, 0);
}
static int remove_once(const struct target *target, const char *name, const char *key) {
  return CALL(removexattr, key);
}

/* The value behind what `into` holds; -1 and errno. */
static ssize_t get_value(const struct target *target, const char *name, const char *key, struct bytes *into) {
  for (size_t room = 256;;) {
    char *at = bytes_reserve(into, room);
    if (!at) return -1;
    ssize_t n = get_once(target, name, key, at, into->cap - into->len);
    if (n >= 0 || errno != ERANGE) return n;
    n = get_once(target, name, key, NULL, 0);
    if (n < 0) return -1;
    room = (size_t)n + 1;
  }
}

static ssize_t get_names(const struct target *target, const char *name, struct bytes *names) {
  for (size_t room = 1024;;) {
    char *at = bytes_reserve(names, room);
    if (!at) return -1;
    ssize_t n = list_once(target, name, at, names->cap);
    if (n >= 0 || errno != ERANGE) return n;
    n = list_once(target, name, NULL, 0);
    if (n < 0) return -1;
    room = (size_t)n + 1;
  }
}

int list_xattrs(int dir, const char *name, struct bytes *into, struct err *err) {
  /* Most files have none: one call, no memory. */
  if (syscall(SYS_listxattrat, dir, name, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH, NULL, 0) == 0) return 0;
  cleanup_target struct target found;
  struct target *target = &found;
  if (find_target(dir, name, target, err)) return -1;
  ssize_t size = list_once(target, name, NULL, 0);
  if (size < 0 && without_proc(dir, name, target)) size = list_once(target, name, NULL, 0);
  if (size == 0 || (size < 0 && (errno == EOPNOTSUPP || errno == ENOSYS))) return 0;
  if (size < 0) return fail(err, "llistxattr '" SHOWN "'", name);

  cleanup_bytes struct bytes names = {0};
  size = get_names(target, name, &names);
  if (size < 0) return fail(err, "llistxattr '" SHOWN "'", name);
  for (char *key = names.data; key < names.data + size; key += strlen(key) + 1) {
    uint16_t key_len = (uint16_t)strlen(key);
    size_t head = into->len, head_len = sizeof(uint16_t) + sizeof(uint32_t);
    if (!bytes_reserve(into, head_len)) return fail(err, "lgetxattr '%s'", key);
    into->len += head_len;
    if (bytes_add(into, key, key_len)) return fail(err, "lgetxattr '%s'", key);
    ssize_t n = get_value(target, name, key, into);
    if (n < 0 && errno == ENODATA) { /* it went meanwhile */
      into->len = head;
      continue;
    }
    if (n < 0) return fail(err, "lgetxattr '%s'", key);
    uint32_t value_len = (uint32_t)n;
    memcpy(into->data + head, &key_len, sizeof key_len);
    memcpy(into->data + head + sizeof key_len, &value_len, sizeof value_len);
    into->len += (size_t)n;
  }
  return 0;
}

int get_xattr(int dir, const char *name, const char *attribute, struct bytes *into, struct err *err) {
  cleanup_target struct target target;
  if (find_target(dir, name, &target, err)) return -1;
  ssize_t n = get_value(&target, name, attribute, into);
  if (n < 0 && without_proc(dir, name, &target)) n = get_value(&target, name, attribute, into);
  if (n < 0 && (errno == ENODATA || errno == EOPNOTSUPP || errno == ENOSYS)) return 1;
  if (n < 0) return fail(err, "lgetxattr '%s'", attribute);
  into->len += (size_t)n;
  return 0;
}

int set_xattr(int dir, const char *name, const char *attribute, const struct bytes *value, struct err *err) {
  cleanup_target struct target target;
  if (find_target(dir, name, &target, err)) return -1;
  int result = set_once(&target, name, attribute, value);
  if (result && without_proc(dir, name, &target)) result = set_once(&target, name, attribute, value);
  return result ? fail(err, "lsetxattr '%s'", attribute) : 0;
}

int remove_xattr(int dir, const char *name, const char *attribute, struct err *err) {
  cleanup_target struct target target;
  if (find_target(dir, name, &target, err)) return -1;
  int result = remove_once(&target, name, attribute);
  if (result && without_proc(dir, name, &target)) result = remove_once(&target, name, attribute);
  return result ? fail(err, "lremovexattr '%s'", attribute) : 0;
}
