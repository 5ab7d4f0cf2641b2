#define _GNU_SOURCE
#include "report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "util.h"

static int channel = -1;

void report_to(int fd) {
  channel = fd;
}

/* Adds a string with its NUL, cut to what fits into `limit`. */
static size_t put(char *record, size_t at, size_t limit, const char *text) {
  size_t length = strnlen(text, limit - at - 1);
  memcpy(record + at, text, length);
  record[at + length] = 0;
  return at + length + 1;
}

/* Bld's end may be gone: then nobody listens, and the hang-up ends the run. */
static void tell(const char *record, size_t length) {
  (void)RETRY(send(channel, record, length, MSG_NOSIGNAL));
}

void report(const char *key, const char *value) {
  char record[2048];
  size_t at = put(record, 0, 32, key);
  tell(record, put(record, at, sizeof record, value));
}

void report_number(const char *key, long value) {
  char text[24];
  snprintf(text, sizeof text, "%ld", value);
  report(key, text);
}

void warning(const char *format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  report("warn", text);
}

void die(const char *step, const char *format, ...) {
  const char *name = strerrorname_np(errno);
  char text[1024], record[2048];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);

  const char *fields[] = {"fail", step, "errno", name ? name : "0", "text", text};
  size_t at = 0;
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) at = put(record, at, sizeof record, fields[i]);
  tell(record, at);
  _exit(125);
}
