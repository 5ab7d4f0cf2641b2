#define _GNU_SOURCE
#include "util.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int fill(struct err *err, int code, const char *format, va_list arguments) {
  err->code = code ? code : EIO;
  vsnprintf(err->msg, sizeof err->msg, format, arguments);
  return -1;
}

int fail(struct err *err, const char *format, ...) {
  int code = errno;
  va_list arguments;
  va_start(arguments, format);
  fill(err, code, format, arguments);
  va_end(arguments);
  return -1;
}

int fail_code(struct err *err, int code, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fill(err, code, format, arguments);
  va_end(arguments);
  return -1;
}

void free_bytes(struct bytes *bytes) {
  free(bytes->data);
  *bytes = (struct bytes){0};
}

char *bytes_reserve(struct bytes *bytes, size_t more) {
  if (bytes->cap - bytes->len < more) {
    size_t cap = bytes->cap * 2 > bytes->len + more ? bytes->cap * 2 : bytes->len + more;
    char *data = realloc(bytes->data, cap);
    if (!data) return NULL;
    bytes->data = data;
    bytes->cap = cap;
  }
  return bytes->data + bytes->len;
}

int bytes_add(struct bytes *bytes, const void *data, size_t len) {
  if (len == 0) return 0;
  char *at = bytes_reserve(bytes, len);
  if (!at) return -1;
  memcpy(at, data, len);
  bytes->len += len;
  return 0;
}

int write_all(int fd, const void *data, size_t len) {
  for (const char *at = data; len > 0;) {
    ssize_t n = RETRY(write(fd, at, len));
    if (n < 0) return -1;
    at += n;
    len -= (size_t)n;
  }
  return 0;
}

int read_all(int fd, struct bytes *into) {
  for (;;) {
    size_t room = into->cap - into->len;
    char *at = bytes_reserve(into, room ? room : 4096);
    if (!at) return -1;
    ssize_t n = RETRY(read(fd, at, into->cap - into->len));
    if (n < 0) return -1;
    if (n == 0) return 0;
    into->len += (size_t)n;
  }
}

int read_text(const char *path, char *text, size_t size) {
  cleanup_fd int fd = RETRY(open(path, O_RDONLY | O_CLOEXEC));
  if (fd < 0) return -1;
  size_t len = 0;
  while (len < size - 1) {
    ssize_t n = RETRY(read(fd, text + len, size - 1 - len));
    if (n < 0) return -1;
    if (n == 0) break;
    len += (size_t)n;
  }
  while (len > 0 && strchr(" \t\r\n", text[len - 1])) len--;
  text[len] = 0;
  return 0;
}

int write_text(const char *path, const char *text) {
  cleanup_fd int fd = RETRY(open(path, O_WRONLY | O_CLOEXEC));
  if (fd < 0) return -1;
  size_t len = strlen(text);
  ssize_t n = RETRY(write(fd, text, len));
  if (n < 0) return -1;
  if ((size_t)n == len) return 0;
  errno = EIO;
  return -1;
}
