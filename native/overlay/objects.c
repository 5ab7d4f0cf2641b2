#define _GNU_SOURCE
#include "objects.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#include "kernel.h"
#include "util.h"

#define RESOLVE_NO_MAGICLINKS 0x02

/* /proc/self of a caller is not ours. */
static void own_proc(const struct call *call, char path[PATH_MAX], bool *magic) {
  static const char *const prefixes[] = {"/proc/self/", "/proc/thread-self/", "/dev/fd/"};
  char rest[PATH_MAX];
  *magic = false;
  for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
    size_t length = strlen(prefixes[i]);
    if (strncmp(path, prefixes[i], length) != 0) continue;
    snprintf(rest, sizeof rest, "%s", path + length);
    snprintf(path, PATH_MAX, "/proc/%d/%s%s", (int)call->thread, i == 2 ? "fd/" : "", rest);
    *magic = true;
    return;
  }
}

static int open_in_proc(const struct call *call, const char *what, int flags) {
  char path[64];
  snprintf(path, sizeof path, "%d/%s", (int)call->thread, what);
  return RETRY(openat(call->emulation->proc, path, O_PATH | O_CLOEXEC | flags));
}

int open_fd(const struct call *call, int fd) {
  char name[32];
  snprintf(name, sizeof name, "fd/%d", fd);
  return open_in_proc(call, name, 0);
}

static void leave(const struct call *call) {
  if (!call->emulation->other_roots) return;
  if (fchdir(call->emulation->root) < 0 || chroot(".") < 0) _exit(125);
}

static int open_start(const struct call *call, int dir) {
  return dir == AT_FDCWD ? open_in_proc(call, "cwd", O_DIRECTORY) : open_fd(call, dir);
}

/* Our root and working directory become the caller's, so that paths lead where they lead for it. */
static int enter(const struct call *call, int start) {
  cleanup_fd int root = open_in_proc(call, "root", O_DIRECTORY);
  if (root < 0 || fchdir(root) < 0 || chroot(".") < 0) return -1;
  return start < 0 ? 0 : fchdir(start);
}

int open_object(const struct call *call, int dir, char path[PATH_MAX], int flags) {
  if (!*path) {
    if (flags & AT_EMPTY_PATH) return dir == AT_FDCWD ? open_in_proc(call, "cwd", 0) : open_fd(call, dir);
    errno = ENOENT;
    return -1;
  }
  bool magic;
  own_proc(call, path, &magic);
  struct kernel_open_how how = {.flags = (uint64_t)(O_PATH | O_CLOEXEC), .resolve = magic ? 0 : RESOLVE_NO_MAGICLINKS};
  if (flags & AT_SYMLINK_NOFOLLOW) how.flags |= O_NOFOLLOW;
  cleanup_fd int start = *path == '/' ? -1 : open_start(call, dir);
  if (*path != '/' && start < 0) return -1;
  if (!call->emulation->other_roots) return RETRY(kernel_openat2(start, path, &how));
  int fd = enter(call, start) < 0 ? -1 : RETRY(kernel_openat2(AT_FDCWD, path, &how));
  int error = errno;
  leave(call);
  errno = error;
  return fd;
}

int open_parent(const struct call *call, int dir, char path[PATH_MAX], char name[NAME_MAX + 1]) {
  size_t length = strlen(path);
  while (length > 1 && path[length - 1] == '/') path[--length] = 0;
  char *slash = strrchr(path, '/'), *last = slash ? slash + 1 : path;
  if (!*last || strlen(last) > NAME_MAX || strcmp(last, ".") == 0 || strcmp(last, "..") == 0) {
    errno = EEXIST;
    return -1;
  }
  strcpy(name, last);
  if (slash) slash[slash == path] = 0;
  else strcpy(path, ".");
  return open_object(call, dir, path, 0);
}

void show_path(int fd, char path[32]) {
  snprintf(path, 32, "/proc/self/fd/%d", fd);
}

bool read_owner(int fd, struct owner *owner) {
  char path[32], text[32];
  show_path(fd, path);
  ssize_t length = getxattr(path, OWNER_RECORD, text, sizeof text - 1);
  *owner = (struct owner){0, 0};
  if (length <= 0) return false;
  text[length] = 0;
  return sscanf(text, "%u:%u", &owner->uid, &owner->gid) == 2;
}

/* One line, in one write: see src/layers/owner-file.ts. */
static void log_owner(const struct call *call, int fd, const struct stat *found, struct owner owner) {
  char link[32], path[PATH_MAX], line[3 * PATH_MAX + 64];
  show_path(fd, link);
  ssize_t length = readlink(link, path, sizeof path);
  if (call->emulation->owners_log < 0 || length <= 0 || *path != '/') return;
  int at = snprintf(line, sizeof line, "%llu\t%u\t%u\t", (unsigned long long)found->st_ino, owner.uid, owner.gid);
  for (ssize_t i = 1; i < length; i++) {
    unsigned char byte = (unsigned char)path[i];
    bool plain = byte > ' ' && byte < 127 && byte != '%';
    at += sprintf(line + at, plain ? "%c" : "%%%02x", byte);
  }
  line[at++] = '\n';
  (void)write_all(call->emulation->owners_log, line, (size_t)at);
}

int64_t record_owner(const struct call *call, int fd, struct owner owner) {
  struct stat found;
  if (fstat(fd, &found) < 0) return -errno;
  if (!S_ISREG(found.st_mode) && !S_ISDIR(found.st_mode)) {
    log_owner(call, fd, &found, owner);
    return 0;
  }
  char path[32], text[32];
  show_path(fd, path);
  size_t length = (size_t)snprintf(text, sizeof text, "%u:%u", owner.uid, owner.gid);
  if (setxattr(path, OWNER_RECORD, text, length, 0) == 0) return 0;
  return errno == EOPNOTSUPP || errno == ENODATA ? 0 : -errno; /* a tmpfs: it does not live long */
}
