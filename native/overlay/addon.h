/* What the files of the Node-API face share: readers of arguments, makers of results. */
#pragma once

#include <limits.h>
#include <node_api.h>
#include <stdbool.h>
#include <stdint.h>

#include "util.h"

/*
 * One call from JavaScript. The readers of arguments note the first failure in `err` and give harmless values, so
 * that a function asks once whether all were right; whatever stands in `err` at the end is thrown.
 */
struct call {
  napi_env env;
  size_t argc;
  napi_value argv[8];
  struct err err;
};

/* An exported function; lists end with a NULL name. */
struct export {
  const char *name;
  napi_value (*work)(struct call *call);
};
extern const struct export file_exports[], mount_exports[], process_exports[], batch_exports[];

/* The record that `stat` fills and JavaScript reads. */
enum { STAT_FIELDS = 12 };

/* Notes EINVAL or the like for an argument, unless a failure stands already. */
void wrong_argument(struct call *call, int code, int index);

int64_t number_at(struct call *call, int index);
int fd_at(struct call *call, int index);
/* False for null. */
bool bigint_at(struct call *call, int index, int64_t *value);
/* A Buffer's memory, as long as the call lasts. */
struct bytes buffer_at(struct call *call, int index);
/* A path's bytes, 0-terminated. */
void path_at(struct call *call, int index, char path[PATH_MAX]);
/* One component: neither a path nor `..`. */
void name_at(struct call *call, int index, char name[PATH_MAX]);
/* A string as UTF-8. */
void text_at(struct call *call, int index, char text[PATH_MAX]);

/* NULL (undefined) after a failure. */
napi_value number_value(struct call *call, int64_t value);
napi_value bool_value(struct call *call, bool value);
napi_value null_value(struct call *call);
napi_value bytes_value(struct call *call, const struct bytes *bytes);
