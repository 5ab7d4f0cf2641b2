#define _GNU_SOURCE
#include "fsops.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "kernel.h"

int open_root(const char *path, struct err *err) {
  int fd = RETRY(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
  return fd < 0 ? fail(err, "open '" SHOWN "'", path) : fd;
}

int stat_at(int dir, const char *name, struct stat *st, struct err *err) {
  if (fstatat(dir, name, st, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) == 0) return 0;
  if (errno == ENOENT || errno == ENOTDIR) return 1;
  return fail(err, "fstatat '" SHOWN "'", name);
}

/* fchmodat2 is of Linux 6.6; before it, the mode of what an O_PATH descriptor holds is changed through /proc. */
int chmod_at(int dir, const char *name, mode_t mode, struct err *err) {
  if (kernel_fchmodat2(dir, name, mode, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) == 0) return 0;
  if (errno != ENOSYS && errno != EPERM) return fail(err, "fchmodat2 '" SHOWN "'", name);
  cleanup_fd int opened = -1;
  int fd = dir;
  if (*name) {
    fd = opened = RETRY(openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (fd < 0) return fail(err, "openat '" SHOWN "'", name);
  }
  struct stat st;
  if (fstat(fd, &st)) return fail(err, "fstat '" SHOWN "'", name);
  if (S_ISLNK(st.st_mode)) return fail_code(err, ENOTSUP, "chmod '" SHOWN "'", name);
  char link[32];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  return chmod(link, mode) ? fail(err, "chmod '" SHOWN "'", name) : 0;
}

static void fill_times(struct timespec times[2], int64_t mtime) {
  int64_t part = mtime % 1000000000;
  if (part < 0) part += 1000000000;
  times[0].tv_sec = times[1].tv_sec = (time_t)((mtime - part) / 1000000000);
  times[0].tv_nsec = times[1].tv_nsec = (long)part;
}

int set_times_at(int dir, const char *name, int64_t mtime, struct err *err) {
  struct timespec times[2];
  fill_times(times, mtime);
  if (utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) == 0) return 0;
  return fail(err, "utimensat '" SHOWN "'", name);
}

struct entry { /* struct linux_dirent64 */
  uint64_t ino;
  int64_t off;
  unsigned short reclen;
  unsigned char type;
  char name[];
};

int read_dir(int dir, struct bytes *into, struct err *err) {
  /* Opened anew: `dir` may be O_PATH, and its position is not ours to move. */
  cleanup_fd int fd = RETRY(openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd < 0) return fail(err, "openat '.'");
  _Alignas(struct entry) char buffer[32768];
  for (;;) {
    long n = syscall(SYS_getdents64, fd, buffer, sizeof buffer);
    if (n < 0) return fail(err, "getdents64");
    if (n == 0) return 0;
    for (long at = 0; at < n;) {
      const struct entry *entry = (const struct entry *)(buffer + at);
      at += entry->reclen;
      if (!strcmp(entry->name, ".") || !strcmp(entry->name, "..")) continue;
      uint16_t len = (uint16_t)strlen(entry->name);
      char *out = bytes_reserve(into, 3u + len);
      if (!out) return fail(err, "getdents64");
      out[0] = (char)entry->type;
      memcpy(out + 1, &len, 2);
      memcpy(out + 3, entry->name, len);
      into->len += 3u + len;
    }
  }
}

int read_file_at(int dir, const char *name, struct bytes *into, struct err *err) {
  /* The type is asked first: to open a device can do something to it. O_NONBLOCK covers a swap in between. */
  struct stat st;
  if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW)) return fail(err, "fstatat '" SHOWN "'", name);
  if (S_ISLNK(st.st_mode)) return fail_code(err, ELOOP, "open '" SHOWN "'", name);
  if (!S_ISREG(st.st_mode)) return fail_code(err, EINVAL, "open '" SHOWN "'", name);
  cleanup_fd int fd = RETRY(openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (fd < 0) return fail(err, "openat '" SHOWN "'", name);
  if (fstat(fd, &st)) return fail(err, "fstat '" SHOWN "'", name);
  if (!S_ISREG(st.st_mode)) return fail_code(err, EINVAL, "open '" SHOWN "'", name);
  if (st.st_size >= INT32_MAX) return fail_code(err, EFBIG, "read '" SHOWN "'", name);
  /* One byte more, so that the end is seen without growing. */
  if (!bytes_reserve(into, (size_t)st.st_size + 1)) return fail(err, "read '" SHOWN "'", name);
  return read_all(fd, into) ? fail(err, "read '" SHOWN "'", name) : 0;
}

static int fill_file(int fd, const char *name, const struct new_file *file, struct err *err) {
  struct stat st;
  if (write_all(fd, file->data, file->len)) return fail(err, "write '" SHOWN "'", name);
  /* Mostly the file is born right: a look costs less than changes that the file system has to note. */
  if (fstat(fd, &st)) return fail(err, "fstat '" SHOWN "'", name);
  bool other_uid = file->uid != (uid_t)-1 && file->uid != st.st_uid;
  bool other_gid = file->gid != (gid_t)-1 && file->gid != st.st_gid;
  if (other_uid || other_gid) {
    if (fchown(fd, file->uid, file->gid)) return fail(err, "fchown '" SHOWN "'", name);
  }
  /* After the owner: a change of owner clears setuid and setgid. */
  if (other_uid || other_gid || (st.st_mode & 07777) != file->mode) {
    if (fchmod(fd, file->mode)) return fail(err, "fchmod '" SHOWN "'", name);
  }
  if (file->has_mtime) {
    struct timespec times[2];
    fill_times(times, file->mtime);
    if (futimens(fd, times)) return fail(err, "futimens '" SHOWN "'", name);
  }
  return 0;
}

int create_file_at(int dir, const char *name, const struct new_file *file, struct err *err) {
  cleanup_fd int fd =
      RETRY(openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, file->mode & 0777));
  if (fd < 0) return fail(err, "openat '" SHOWN "'", name);
  if (fill_file(fd, name, file, err) == 0) return 0;
  unlinkat(dir, name, 0);
  return -1;
}
