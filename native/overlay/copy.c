#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

#include "fsops.h"

#ifndef FICLONE
#define FICLONE _IOW(0x94, 9, int)
#endif

enum { CHUNK = 64 * 1024 }; /* on the stack: no failure, no cost for the many small files */

struct copy {
  int from, to;
  int64_t in, out; /* positions */
  bool plain;      /* copy_file_range was refused */
};

/* Up to `len` bytes by read and write; stops early at the end of the file. */
static int copy_plain(struct copy *copy, int64_t len) {
  char buffer[CHUNK];
  while (len > 0) {
    size_t want = len < CHUNK ? (size_t)len : CHUNK;
    ssize_t n = RETRY(pread(copy->from, buffer, want, copy->in));
    if (n < 0) return -1;
    if (n == 0) return 0;
    for (ssize_t done = 0; done < n;) {
      ssize_t m = RETRY(pwrite(copy->to, buffer + done, (size_t)(n - done), copy->out + done));
      if (m < 0) return -1;
      done += m;
    }
    copy->in += n;
    copy->out += n;
    len -= n;
  }
  return 0;
}

/* Refusals of copy_file_range that read and write may get around. */
static bool is_refusal(int code) {
  return code == EXDEV || code == EINVAL || code == ENOSYS || code == EOPNOTSUPP || code == EPERM ||
         code == EBADF || code == EACCES;
}

static int copy_extent(struct copy *copy, int64_t len) {
  while (len > 0 && !copy->plain) {
    loff_t in = copy->in, out = copy->out;
    size_t want = len < 1 << 30 ? (size_t)len : 1 << 30;
    ssize_t n = copy_file_range(copy->from, &in, copy->to, &out, want, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && !is_refusal(errno)) return -1;
    if (n <= 0) {
      copy->plain = true;
      break;
    }
    copy->in += n;
    copy->out += n;
    len -= n;
  }
  return len > 0 ? copy_plain(copy, len) : 0;
}

/* Data by extents; what lies between them stays a hole of `to`. */
static int copy_sparse(struct copy *copy, int64_t size) {
  int64_t shift = copy->out - copy->in;
  while (copy->in < size) {
    int64_t start = lseek(copy->from, copy->in, SEEK_DATA);
    if (start < 0 && errno == ENXIO) start = size; /* a hole up to the end */
    if (start < 0) return -1;
    int64_t end = start < size ? lseek(copy->from, start, SEEK_HOLE) : size;
    if (end < 0) return -1;
    copy->in = start;
    copy->out = start + shift;
    if (copy_extent(copy, end - start)) return -1;
    if (copy->in < end) return 0; /* it shrank meanwhile */
  }
  /* A hole at the end exists by the size alone. */
  return ftruncate(copy->to, copy->out);
}

/* One end is a pipe or the like: no positions to give. */
static int64_t copy_stream(int from, int to, struct err *err) {
  char buffer[CHUNK];
  for (int64_t done = 0;;) {
    ssize_t n = RETRY(read(from, buffer, CHUNK));
    if (n < 0) return fail(err, "read");
    if (n == 0) return done;
    if (write_all(to, buffer, (size_t)n)) return fail(err, "write");
    done += n;
  }
}

int64_t copy_file(int from, int to, struct err *err) {
  struct stat source, target;
  if (fstat(from, &source) || fstat(to, &target)) return fail(err, "fstat");
  if (!S_ISREG(source.st_mode) || !S_ISREG(target.st_mode)) return copy_stream(from, to, err);
  struct copy copy = {.from = from, .to = to};
  copy.in = lseek(from, 0, SEEK_CUR);
  copy.out = lseek(to, 0, SEEK_CUR);
  if (copy.in < 0 || copy.out < 0) return fail(err, "lseek");

  int64_t start = copy.in;
  bool fresh = target.st_size <= copy.out;
  if (copy.in == 0 && copy.out == 0 && fresh && source.st_size > 0 && ioctl(to, FICLONE, from) == 0) {
    copy.in = copy.out = source.st_size;
  } else {
    bool sparse = fresh && source.st_blocks < source.st_size / 512;
    int result = sparse ? copy_sparse(&copy, source.st_size) : copy_extent(&copy, source.st_size - copy.in);
    if (result && sparse && errno == EINVAL && copy.in == start) /* no SEEK_DATA here */
      result = copy_extent(&copy, source.st_size - copy.in);
    /* Files as in /proc hide their size: only reading tells. */
    if (!result && source.st_size == 0) result = copy_plain(&copy, INT64_MAX - copy.in);
    if (result) return fail(err, "copy_file_range");
  }
  if (lseek(from, copy.in, SEEK_SET) < 0 || lseek(to, copy.out, SEEK_SET) < 0) return fail(err, "lseek");
  return copy.in - start;
}

int file_extents(int fd, struct bytes *into, struct err *err) {
  struct stat st;
  if (fstat(fd, &st)) return fail(err, "fstat");
  int64_t position = lseek(fd, 0, SEEK_CUR);
  for (int64_t at = 0; at < st.st_size;) {
    int64_t extent[2] = {lseek(fd, at, SEEK_DATA), st.st_size};
    if (extent[0] < 0 && errno == ENXIO) break;
    if (extent[0] < 0 && errno != EINVAL) return fail(err, "lseek");
    if (extent[0] < 0) {
      extent[0] = at; /* no SEEK_DATA here: all of it is data */
    } else {
      extent[1] = lseek(fd, extent[0], SEEK_HOLE);
      if (extent[1] < 0) return fail(err, "lseek");
    }
    if (bytes_add(into, extent, sizeof extent)) return fail(err, "lseek");
    at = extent[1];
  }
  return position >= 0 && lseek(fd, position, SEEK_SET) < 0 ? fail(err, "lseek") : 0;
}
