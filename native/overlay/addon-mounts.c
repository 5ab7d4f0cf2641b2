#define _GNU_SOURCE
#include <stdlib.h>

#include "addon.h"
#include "mounts.h"

/* array of lower paths, upper or null, work or null, userxattr, legacy (numbers as booleans) */
static napi_value js_mount_overlay(struct call *call) {
  uint32_t count = 0;
  napi_valuetype type = napi_null;
  char upper[PATH_MAX], work[PATH_MAX];
  struct overlay overlay = {.userxattr = number_at(call, 3) != 0, .legacy = number_at(call, 4) != 0};
  if (napi_get_array_length(call->env, call->argv[0], &count) != napi_ok || count == 0)
    wrong_argument(call, EINVAL, 0);
  napi_typeof(call->env, call->argv[1], &type);
  if (type != napi_null) {
    text_at(call, 1, upper);
    text_at(call, 2, work);
    overlay.upper = upper;
    overlay.work = work;
  }
  cleanup_free char(*lower)[PATH_MAX] = calloc(count + 1, PATH_MAX);
  cleanup_free const char **pointers = calloc(count + 1, sizeof *pointers);
  if (!lower || !pointers) wrong_argument(call, ENOMEM, 0);
  for (uint32_t i = 0; i < count && !call->err.code; i++) {
    struct call element = {.env = call->env};
    napi_get_element(call->env, call->argv[0], i, &element.argv[0]);
    text_at(&element, 0, lower[i]);
    if (element.err.code) call->err = element.err;
    pointers[i] = lower[i];
  }
  overlay.lower = pointers;
  overlay.lowers = count;
  return call->err.code ? NULL : number_value(call, mount_overlay(&overlay, &call->err));
}

/* size or null, mode: both as text */
static napi_value js_mount_tmpfs(struct call *call) {
  napi_valuetype type = napi_null;
  char size[PATH_MAX], mode[PATH_MAX];
  napi_typeof(call->env, call->argv[0], &type);
  if (type != napi_null) text_at(call, 0, size);
  text_at(call, 1, mode);
  if (call->err.code) return NULL;
  return number_value(call, mount_tmpfs(type == napi_null ? NULL : size, mode, &call->err));
}

static napi_value js_clone_tree(struct call *call) {
  char path[PATH_MAX];
  bool recursive = number_at(call, 1) != 0;
  text_at(call, 0, path);
  return call->err.code ? NULL : number_value(call, clone_tree(path, recursive, &call->err));
}

/* mount, path, namespace or -1 */
static napi_value js_attach_mount(struct call *call) {
  char path[PATH_MAX];
  int mount = fd_at(call, 0), namespace = fd_at(call, 2);
  text_at(call, 1, path);
  if (!call->err.code) attach_mount(mount, path, namespace, &call->err);
  return NULL;
}

/* path, namespace or -1 */
static napi_value js_unmount(struct call *call) {
  char path[PATH_MAX];
  int namespace = fd_at(call, 1);
  text_at(call, 0, path);
  if (!call->err.code) detach_mount(path, namespace, &call->err);
  return NULL;
}

const struct export mount_exports[] = {
    {"mountOverlay", js_mount_overlay}, {"mountTmpfs", js_mount_tmpfs}, {"cloneTree", js_clone_tree},
    {"attachMount", js_attach_mount},   {"unmount", js_unmount},
    {NULL, NULL},
};
