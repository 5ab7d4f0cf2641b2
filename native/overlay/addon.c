/* The Node-API face: numbers, Buffers and packed records only; src/native/sys.ts makes objects of them. */
#define _GNU_SOURCE
#include "addon.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

void wrong_argument(struct call *call, int code, int index) {
  if (!call->err.code) fail_code(&call->err, code, "argument %d", index);
}

int64_t number_at(struct call *call, int index) {
  int64_t value = 0;
  if (napi_get_value_int64(call->env, call->argv[index], &value) != napi_ok) wrong_argument(call, EINVAL, index);
  return value;
}

int fd_at(struct call *call, int index) {
  return (int)number_at(call, index);
}

bool bigint_at(struct call *call, int index, int64_t *value) {
  bool lossless = true;
  napi_status status = napi_get_value_bigint_int64(call->env, call->argv[index], value, &lossless);
  if (status == napi_ok && lossless) return true;
  napi_valuetype type = napi_undefined;
  if (status != napi_ok) napi_typeof(call->env, call->argv[index], &type);
  if (type != napi_null) wrong_argument(call, EINVAL, index);
  return false;
}

struct bytes buffer_at(struct call *call, int index) {
  void *data = NULL;
  size_t len = 0;
  if (napi_get_buffer_info(call->env, call->argv[index], &data, &len) != napi_ok) wrong_argument(call, EINVAL, index);
  return (struct bytes){.data = data, .len = len};
}

void path_at(struct call *call, int index, char path[PATH_MAX]) {
  struct bytes given = buffer_at(call, index);
  path[0] = 0;
  if (given.len >= PATH_MAX) return wrong_argument(call, ENAMETOOLONG, index);
  if (given.len > 0) memcpy(path, given.data, given.len);
  path[given.len] = 0;
  if (strlen(path) != given.len) wrong_argument(call, EINVAL, index);
}

void name_at(struct call *call, int index, char name[PATH_MAX]) {
  path_at(call, index, name);
  if (!strchr(name, '/') && strcmp(name, "..") != 0) return;
  if (!call->err.code) fail_code(&call->err, EINVAL, "name '" SHOWN "'", name);
}

void text_at(struct call *call, int index, char text[PATH_MAX]) {
  size_t len = 0;
  text[0] = 0;
  if (napi_get_value_string_utf8(call->env, call->argv[index], text, PATH_MAX, &len) != napi_ok)
    return wrong_argument(call, EINVAL, index);
  /* What does not fit is cut, in a character of several bytes perhaps earlier. */
  if (len > PATH_MAX - 5) wrong_argument(call, ENAMETOOLONG, index);
  if (strlen(text) != len) wrong_argument(call, EINVAL, index);
}

napi_value number_value(struct call *call, int64_t value) {
  napi_value result = NULL;
  if (!call->err.code) napi_create_int64(call->env, value, &result);
  return result;
}

napi_value bool_value(struct call *call, bool value) {
  napi_value result = NULL;
  if (!call->err.code) napi_get_boolean(call->env, value, &result);
  return result;
}

napi_value null_value(struct call *call) {
  napi_value result = NULL;
  if (!call->err.code) napi_get_null(call->env, &result);
  return result;
}

napi_value bytes_value(struct call *call, const struct bytes *bytes) {
  napi_value result = NULL;
  if (!call->err.code) napi_create_buffer_copy(call->env, bytes->len, bytes->data ? bytes->data : "", NULL, &result);
  return result;
}

static napi_value string_value(napi_env env, const char *text) {
  napi_value value;
  napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value);
  return value;
}

/* "ENOENT: no such file or directory, openat2 'etc/x'" with code, errno (negative) and syscall, as Node's own. */
static void throw_error(napi_env env, const struct err *err) {
  char text[512], call[32], reason[128];
  /* Two names for one number; Node has the shorter. */
  const char *code = err->code == ENOTSUP ? "ENOTSUP" : strerrorname_np(err->code);
  snprintf(reason, sizeof reason, "%s", strerror(err->code));
  reason[0] = (char)tolower(reason[0]);
  snprintf(text, sizeof text, "%s: %s, %s", code ? code : "EUNKNOWN", reason, err->msg);
  snprintf(call, sizeof call, "%.*s", (int)strcspn(err->msg, " "), err->msg);
  napi_value error, number;
  napi_create_error(env, string_value(env, code ? code : "EUNKNOWN"), string_value(env, text), &error);
  napi_create_int32(env, -err->code, &number);
  napi_set_named_property(env, error, "errno", number);
  napi_set_named_property(env, error, "syscall", string_value(env, call));
  napi_throw(env, error);
}

static napi_value dispatch(napi_env env, napi_callback_info info) {
  struct call call;
  call.env = env;
  call.argc = sizeof call.argv / sizeof *call.argv;
  call.err.code = 0;
  void *data = NULL;
  napi_get_cb_info(env, info, &call.argc, call.argv, NULL, &data);
  napi_value result = ((const struct export *)data)->work(&call);
  if (!call.err.code) return result;
  throw_error(env, &call.err);
  return NULL;
}

static void add_exports(napi_env env, napi_value exports, const struct export *list) {
  for (const struct export *export = list; export->name; export++) {
    napi_value value;
    napi_create_function(env, export->name, NAPI_AUTO_LENGTH, dispatch, (void *)export, &value);
    napi_set_named_property(env, exports, export->name, value);
  }
}

NAPI_MODULE_INIT() {
  add_exports(env, exports, file_exports);
  add_exports(env, exports, mount_exports);
  add_exports(env, exports, process_exports);
  add_exports(env, exports, batch_exports);
  void *record;
  napi_value buffer;
  napi_ref keep; /* for good: the functions write to it */
  napi_create_arraybuffer(env, STAT_FIELDS * sizeof(int64_t), &record, &buffer);
  napi_create_reference(env, buffer, 1, &keep);
  napi_set_named_property(env, exports, "statRecord", buffer);
  napi_set_instance_data(env, record, NULL, NULL);
  return exports;
}
