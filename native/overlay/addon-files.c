#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sysmacros.h>

#include "addon.h"
#include "fsops.h"
#include "kernel.h"
#include "sha256.h"

static napi_value js_open_root(struct call *call) {
  char path[PATH_MAX];
  text_at(call, 0, path);
  return call->err.code ? NULL : number_value(call, open_root(path, &call->err));
}

typedef int (*opener)(int root, const char *path, int flags, mode_t mode, struct err *err);

static napi_value open_by(struct call *call, opener open_path) {
  char path[PATH_MAX];
  int root = fd_at(call, 0), flags = (int)number_at(call, 2);
  mode_t mode = (mode_t)number_at(call, 3);
  path_at(call, 1, path);
  return call->err.code ? NULL : number_value(call, open_path(root, path, flags, mode, &call->err));
}
static napi_value js_open_in(struct call *call) {
  return open_by(call, open_in);
}
static napi_value js_open_in_walk(struct call *call) {
  return open_by(call, open_in_walk);
}

static napi_value js_close(struct call *call) {
  int fd = fd_at(call, 0);
  if (!call->err.code && close(fd) && errno != EINTR) fail(&call->err, "close %d", fd);
  return NULL;
}

static napi_value js_read_dir(struct call *call) {
  cleanup_bytes struct bytes bytes = {0};
  int dir = fd_at(call, 0);
  if (!call->err.code) read_dir(dir, &bytes, &call->err);
  return bytes_value(call, &bytes);
}

/* Into the record that `statRecord` shares with JavaScript; false when absent. */
static napi_value js_stat(struct call *call) {
  char name[PATH_MAX];
  struct stat st;
  int dir = fd_at(call, 0);
  name_at(call, 1, name);
  if (call->err.code) return NULL;
  int absent = stat_at(dir, name, &st, &call->err);
  if (absent < 0) return NULL;
  int64_t *record = NULL;
  napi_get_instance_data(call->env, (void **)&record);
  if (!absent) {
    bool device = S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode);
    const int64_t fields[STAT_FIELDS] = {
        st.st_mode,
        st.st_uid,
        st.st_gid,
        st.st_size,
        st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec,
        st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec,
        (int64_t)st.st_dev,
        (int64_t)st.st_ino,
        (int64_t)st.st_nlink,
        device ? major(st.st_rdev) : 0,
        device ? minor(st.st_rdev) : 0,
        st.st_blocks,
    };
    memcpy(record, fields, sizeof fields);
  }
  return bool_value(call, !absent);
}

static napi_value js_read_link(struct call *call) {
  char name[PATH_MAX], target[PATH_MAX];
  int dir = fd_at(call, 0);
  name_at(call, 1, name);
  if (call->err.code) return NULL;
  ssize_t len = readlinkat(dir, name, target, sizeof target);
  if (len < 0) fail(&call->err, "readlinkat '" SHOWN "'", name);
  return bytes_value(call, &(struct bytes){.data = target, .len = len < 0 ? 0 : (size_t)len});
}

static napi_value js_mkdir(struct call *call) {
  char name[PATH_MAX];
  int dir = fd_at(call, 0);
  mode_t mode = (mode_t)number_at(call, 2);
  name_at(call, 1, name);
  if (!call->err.code && mkdirat(dir, name, mode)) fail(&call->err, "mkdirat '" SHOWN "'", name);
  return NULL;
}

static napi_value js_symlink(struct call *call) {
  char target[PATH_MAX], name[PATH_MAX];
  int dir = fd_at(call, 1);
  path_at(call, 0, target);
  name_at(call, 2, name);
  if (!call->err.code && symlinkat(target, dir, name)) fail(&call->err, "symlinkat '" SHOWN "'", name);
  return NULL;
}

static napi_value js_link(struct call *call) {
  char from[PATH_MAX], name[PATH_MAX];
  int from_dir = fd_at(call, 0), dir = fd_at(call, 2);
  name_at(call, 1, from);
  name_at(call, 3, name);
  if (!call->err.code && linkat(from_dir, from, dir, name, *from ? 0 : AT_EMPTY_PATH))
    fail(&call->err, "linkat '" SHOWN "'", name);
  return NULL;
}

/* dir, name, mode with the type's bits, major, minor */
static napi_value js_mknod(struct call *call) {
  char name[PATH_MAX];
  int dir = fd_at(call, 0);
  mode_t mode = (mode_t)number_at(call, 2);
  dev_t device = makedev((unsigned)number_at(call, 3), (unsigned)number_at(call, 4));
  name_at(call, 1, name);
  if (!call->err.code && mknodat(dir, name, mode, device)) fail(&call->err, "mknodat '" SHOWN "'", name);
  return NULL;
}

static napi_value unlink_with(struct call *call, int flags, const char *what) {
  char name[PATH_MAX];
  int dir = fd_at(call, 0);
  name_at(call, 1, name);
  if (!call->err.code && unlinkat(dir, name, flags)) fail(&call->err, "%s '" SHOWN "'", what, name);
  return NULL;
}
static napi_value js_unlink(struct call *call) {
  return unlink_with(call, 0, "unlinkat");
}
static napi_value js_rmdir(struct call *call) {
  return unlink_with(call, AT_REMOVEDIR, "rmdir");
}

static napi_value js_remove_tree(struct call *call) {
  char name[PATH_MAX];
  int dir = fd_at(call, 0);
  name_at(call, 1, name);
  if (!call->err.code) remove_tree(dir, name, &call->err);
  return NULL;
}

static napi_value js_rename(struct call *call) {
  char from[PATH_MAX], name[PATH_MAX];
  int from_dir = fd_at(call, 0), dir = fd_at(call, 2);
  unsigned flags = (unsigned)number_at(call, 4);
  name_at(call, 1, from);
  name_at(call, 3, name);
  if (call->err.code) return NULL;
  int result = flags ? (int)syscall(SYS_renameat2, from_dir, from, dir, name, flags)
                     : renameat(from_dir, from, dir, name);
  if (result) fail(&call->err, "renameat '" SHOWN "'", name);
  return NULL;
}

static napi_value js_chown(struct call *call) {
  char name[PATH_MAX];
  int dir = fd_at(call, 0);
  uid_t uid = (uid_t)number_at(call, 2);
  gid_t gid = (gid_t)number_at(call, 3);
  name_at(call, 1, name);
  if (!call->err.code && fchownat(dir, name, uid, gid, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
    fail(&call->err, "fchownat '" SHOWN "'", name);
  return NULL;
}

static napi_value js_chmod(struct call *call) {
  char name[PATH_MAX];
  int dir = fd_at(call, 0);
  mode_t mode = (mode_t)number_at(call, 2);
  name_at(call, 1, name);
  if (!call->err.code) chmod_at(dir, name, mode, &call->err);
  return NULL;
}

static napi_value js_set_times(struct call *call) {
  char name[PATH_MAX];
  int dir = fd_at(call, 0);
  int64_t mtime = 0;
  if (!bigint_at(call, 2, &mtime)) wrong_argument(call, EINVAL, 2);
  name_at(call, 1, name);
  if (!call->err.code) set_times_at(dir, name, mtime, &call->err);
  return NULL;
}

/* Packed, or null when there are none. */
static napi_value js_get_xattrs(struct call *call) {
  cleanup_bytes struct bytes bytes = {0};
  char name[PATH_MAX];
  int dir = fd_at(call, 0);
  name_at(call, 1, name);
  if (!call->err.code) list_xattrs(dir, name, &bytes, &call->err);
  return bytes.len ? bytes_value(call, &bytes) : null_value(call);
}

static napi_value js_get_xattr(struct call *call) {
  cleanup_bytes struct bytes bytes = {0};
  char name[PATH_MAX], attribute[PATH_MAX];
  int dir = fd_at(call, 0);
  name_at(call, 1, name);
  text_at(call, 2, attribute);
  int absent = call->err.code ? -1 : get_xattr(dir, name, attribute, &bytes, &call->err);
  return absent == 1 ? null_value(call) : bytes_value(call, &bytes);
}

static napi_value js_set_xattr(struct call *call) {
  char name[PATH_MAX], attribute[PATH_MAX];
  struct bytes value = buffer_at(call, 3);
  int dir = fd_at(call, 0);
  name_at(call, 1, name);
  path_at(call, 2, attribute);
  if (!call->err.code) set_xattr(dir, name, attribute, &value, &call->err);
  return NULL;
}

static napi_value js_remove_xattr(struct call *call) {
  char name[PATH_MAX], attribute[PATH_MAX];
  int dir = fd_at(call, 0);
  name_at(call, 1, name);
  text_at(call, 2, attribute);
  if (!call->err.code) remove_xattr(dir, name, attribute, &call->err);
  return NULL;
}

/* dir, name, data, mode, uid, gid, mtime or null */
static napi_value js_create_file(struct call *call) {
  char name[PATH_MAX];
  struct bytes data = buffer_at(call, 2);
  struct new_file file = {.data = data.data, .len = data.len, .mode = (mode_t)number_at(call, 3)};
  int dir = fd_at(call, 0);
  name_at(call, 1, name);
  file.uid = (uid_t)number_at(call, 4);
  file.gid = (gid_t)number_at(call, 5);
  file.has_mtime = bigint_at(call, 6, &file.mtime);
  if (!call->err.code) create_file_at(dir, name, &file, &call->err);
  return NULL;
}

static napi_value js_copy_file(struct call *call) {
  int from = fd_at(call, 0), to = fd_at(call, 1);
  return call->err.code ? NULL : number_value(call, copy_file(from, to, &call->err));
}

static napi_value js_read_file(struct call *call) {
  cleanup_bytes struct bytes bytes = {0};
  char name[PATH_MAX];
  int dir = fd_at(call, 0);
  name_at(call, 1, name);
  if (!call->err.code) read_file_at(dir, name, &bytes, &call->err);
  return bytes_value(call, &bytes);
}

static napi_value js_extents(struct call *call) {
  cleanup_bytes struct bytes bytes = {0};
  int fd = fd_at(call, 0);
  if (!call->err.code) file_extents(fd, &bytes, &call->err);
  return bytes_value(call, &bytes);
}

static napi_value js_syncfs(struct call *call) {
  int fd = fd_at(call, 0);
  if (call->err.code || syncfs(fd) == 0) return NULL;
  /* An O_PATH directory does for all else here. */
  cleanup_fd int readable = errno == EBADF ? openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  if (readable < 0 || syncfs(readable)) fail(&call->err, "syncfs");
  return NULL;
}

/* fd, LOCK_SH | LOCK_EX | LOCK_UN */
static napi_value js_flock(struct call *call) {
  int fd = fd_at(call, 0), how = (int)number_at(call, 1);
  if (call->err.code) return NULL;
  bool taken = RETRY(flock(fd, how | LOCK_NB)) == 0;
  if (!taken && errno != EWOULDBLOCK) fail(&call->err, "flock");
  return bool_value(call, taken);
}

static napi_value js_sha256(struct call *call) {
  struct bytes data = buffer_at(call, 0);
  char hex[65];
  napi_value result = NULL;
  if (call->err.code) return NULL;
  sha256_hex(data.data, data.len, hex);
  napi_create_string_latin1(call->env, hex, 64, &result);
  return result;
}

static napi_value js_umask(struct call *call) {
  mode_t mask = (mode_t)number_at(call, 0);
  return call->err.code ? NULL : number_value(call, umask(mask));
}

const struct export file_exports[] = {
    {"openRoot", js_open_root}, {"openIn", js_open_in}, {"openInWalk", js_open_in_walk}, {"close", js_close},
    {"readDir", js_read_dir}, {"stat", js_stat}, {"readLink", js_read_link}, {"mkdir", js_mkdir},
    {"symlink", js_symlink}, {"link", js_link}, {"mknod", js_mknod}, {"unlink", js_unlink},
    {"rmdir", js_rmdir}, {"removeTree", js_remove_tree}, {"rename", js_rename}, {"chown", js_chown},
    {"chmod", js_chmod}, {"setTimes", js_set_times}, {"getXattrs", js_get_xattrs}, {"getXattr", js_get_xattr},
    {"setXattr", js_set_xattr}, {"removeXattr", js_remove_xattr}, {"createFile", js_create_file},
    {"copyFile", js_copy_file}, {"readFile", js_read_file}, {"extents", js_extents}, {"syncfs", js_syncfs},
    {"flock", js_flock}, {"umask", js_umask}, {"sha256", js_sha256},
    {NULL, NULL},
};
