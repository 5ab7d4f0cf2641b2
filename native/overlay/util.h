/*
 * Errors. A function that can fail returns -1 (or NULL) and fills a `struct err`; otherwise 0 or a value >= 0.
 *   code  the errno, never 0 after a failure
 *   msg   what was tried, on what, without the errno's text: "openat2 'etc/x'"; its first word is the call
 * `return fail(err, "openat2 '%s'", path);` is the whole error path; failures pass upwards as they are, and only
 * the outermost function (an addon call, a main) throws or prints. Resources stand under cleanup_* attributes:
 * released wherever the scope ends, unless handed on by `return steal_fd(&fd)`.
 * Descriptors are O_CLOEXEC always; there are no globals.
 */
#pragma once

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

struct err {
  int code;
  char msg[256];
};

/* Both fill `err` (code from errno, or given) and return -1. Text that does not fit is cut. */
int fail(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
int fail_code(struct err *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* For names in messages: %.180s leaves room for the call. */
#define SHOWN "%.180s"

static inline void close_fd(int *fd) {
  int saved = errno;
  if (*fd >= 0) close(*fd);
  *fd = -1;
  errno = saved;
}
static inline void free_pointer(void *pointer) {
  free(*(void **)pointer);
}
static inline int steal_fd(int *fd) {
  int taken = *fd;
  *fd = -1;
  return taken;
}
#define cleanup_fd __attribute__((cleanup(close_fd)))
#define cleanup_free __attribute__((cleanup(free_pointer)))
#define cleanup_bytes __attribute__((cleanup(free_bytes)))

/* Repeats a call that a signal interrupted. */
#define RETRY(call)                                 \
  ({                                                \
    __typeof__(call) result_;                       \
    do result_ = (call);                            \
    while (result_ == -1 && errno == EINTR);        \
    result_;                                        \
  })

/* Bytes that grow. All zero is empty. */
struct bytes {
  char *data;
  size_t len, cap;
};
void free_bytes(struct bytes *bytes);
/* Room for `more` bytes behind `len`; NULL and ENOMEM if there is none. */
char *bytes_reserve(struct bytes *bytes, size_t more);
int bytes_add(struct bytes *bytes, const void *data, size_t len);

/* All of `data`; -1 and errno. */
int write_all(int fd, const void *data, size_t len);
/* Everything up to the end of the file, behind what `into` holds; -1 and errno. */
int read_all(int fd, struct bytes *into);
/* The text of a small file, without white space at its end, 0-terminated and cut to `size`; -1 and errno. */
int read_text(const char *path, char *text, size_t size);
/* One write to an existing file, as /proc and /sys want it; -1 and errno. */
int write_text(const char *path, const char *text);
