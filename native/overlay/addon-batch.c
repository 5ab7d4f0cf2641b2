#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "addon.h"
#include "fsops.h"

/*
 * Many files made by one call, on a thread of libuv's pool, in the order given: JavaScript reads and hashes meanwhile.
 * The first that fails ends the batch: the caller does that one itself, and meets its error there.
 */
enum { HAS_MTIME = 1, REPLACE = 2, ONLY_TIME = 4 };

/* As src/layers/file-queue.ts packs it; the name and a NUL follow. */
struct record {
  int32_t dir;
  uint32_t mode;
  int32_t uid, gid;
  int64_t mtime;
  uint32_t flags, name_len;
};

struct item {
  int dir;
  uint32_t flags;
  struct new_file file;
  char *name;
};

struct batch {
  napi_async_work work;
  napi_deferred deferred;
  napi_ref datas; /* keeps the bytes that `items` points to */
  uint32_t count, done;
  char *names;
  struct item items[];
};

static int make(const struct item *item) {
  struct err err = {0};
  struct stat st;
  if (item->flags & ONLY_TIME) return set_times_at(item->dir, item->name, item->file.mtime, &err);
  if (create_file_at(item->dir, item->name, &item->file, &err) == 0) return 0;
  if (err.code != EEXIST || !(item->flags & REPLACE)) return -1;
  if (stat_at(item->dir, item->name, &st, &err) || S_ISDIR(st.st_mode) || unlinkat(item->dir, item->name, 0)) return -1;
  return create_file_at(item->dir, item->name, &item->file, &err);
}

static void execute(napi_env env, void *data) {
  (void)env;
  struct batch *batch = data;
  while (batch->done < batch->count && make(&batch->items[batch->done]) == 0) batch->done++;
}

static void free_batch(napi_env env, struct batch *batch) {
  if (batch->datas) napi_delete_reference(env, batch->datas);
  if (batch->work) napi_delete_async_work(env, batch->work);
  free(batch->names);
  free(batch);
}

static void complete(napi_env env, napi_status status, void *data) {
  (void)status;
  struct batch *batch = data;
  napi_value done;
  napi_create_uint32(env, batch->done, &done);
  napi_resolve_deferred(env, batch->deferred, done);
  free_batch(env, batch);
}

/* Fills the items from the records and the array of their bytes; false where the two do not fit. */
static bool read_items(struct call *call, struct batch *batch, size_t len) {
  size_t at = 0;
  for (uint32_t i = 0; i < batch->count; i++) {
    struct record record;
    struct call element = {.env = call->env};
    if (at + sizeof record > len) return false;
    memcpy(&record, batch->names + at, sizeof record);
    char *name = batch->names + at + sizeof record;
    at += sizeof record + record.name_len + 1;
    if (record.name_len > NAME_MAX || at > len || strnlen(name, record.name_len + 1) != record.name_len) return false;
    if (strchr(name, '/') || !strcmp(name, "..")) return false;
    napi_get_element(call->env, call->argv[1], i, &element.argv[0]);
    struct bytes bytes = buffer_at(&element, 0);
    if (element.err.code) return false;
    batch->items[i] = (struct item){
        .dir = record.dir,
        .flags = record.flags,
        .name = name,
        .file = {.data = bytes.data,
                 .len = bytes.len,
                 .mode = record.mode,
                 .uid = (uid_t)record.uid,
                 .gid = (gid_t)record.gid,
                 .has_mtime = record.flags & HAS_MTIME,
                 .mtime = record.mtime},
    };
  }
  return true;
}

/* records, and their bytes in an array → a promise of how many were made */
static napi_value js_create_files(struct call *call) {
  struct bytes records = buffer_at(call, 0);
  uint32_t count = 0;
  if (napi_get_array_length(call->env, call->argv[1], &count) != napi_ok) wrong_argument(call, EINVAL, 1);
  if (call->err.code) return NULL;
  struct batch *batch = calloc(1, sizeof *batch + count * sizeof *batch->items);
  if (batch) batch->names = malloc(records.len + 1);
  if (!batch || !batch->names) {
    free(batch);
    fail_code(&call->err, ENOMEM, "createFiles");
    return NULL;
  }
  batch->count = count;
  memcpy(batch->names, records.data, records.len);
  napi_value promise = NULL, name;
  if (!read_items(call, batch, records.len)) {
    free_batch(call->env, batch);
    wrong_argument(call, EINVAL, 0);
    return NULL;
  }
  napi_create_reference(call->env, call->argv[1], 1, &batch->datas);
  napi_create_promise(call->env, &batch->deferred, &promise);
  napi_create_string_utf8(call->env, "bld files", NAPI_AUTO_LENGTH, &name);
  napi_create_async_work(call->env, NULL, name, execute, complete, batch, &batch->work);
  napi_queue_async_work(call->env, batch->work);
  return promise;
}

const struct export batch_exports[] = {{"createFiles", js_create_files}, {NULL, NULL}};
