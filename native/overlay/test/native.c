/* The C parts against the real kernel, built with the address and undefined behaviour sanitizers: `make test`. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "fsops.h"
#include "idmap.h"
#include "mounts.h"

static struct err err;

#define CHECK(condition)                                                                                   \
  do {                                                                                                     \
    if (!(condition)) {                                                                                    \
      fprintf(stderr, "%s:%d: %s\n  last error: %s: %s\n", __FILE__, __LINE__, #condition, err.msg, strerror(err.code)); \
      exit(1);                                                                                             \
    }                                                                                                      \
  } while (0)

static void put(int dir, const char *name, const char *text) {
  struct new_file file = {.data = text, .len = strlen(text), .mode = 0644, .uid = (uid_t)-1, .gid = (gid_t)-1};
  CHECK(create_file_at(dir, name, &file, &err) == 0);
}

static int make_dir(int dir, const char *name) {
  CHECK(mkdirat(dir, name, 0755) == 0);
  int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  CHECK(fd >= 0);
  return fd;
}

static void test_files(int root) {
  const struct new_file file = {
      .data = "abc", .len = 3, .mode = 04711, .uid = geteuid(), .gid = getegid(), .has_mtime = true, .mtime = -1};
  struct stat st;
  CHECK(create_file_at(root, "file", &file, &err) == 0);
  CHECK(stat_at(root, "file", &st, &err) == 0 && (st.st_mode & 07777) == 04711);
  CHECK(st.st_mtim.tv_sec == -1 && st.st_mtim.tv_nsec == 999999999);
  CHECK(create_file_at(root, "file", &file, &err) == -1 && err.code == EEXIST);
  CHECK(stat_at(root, "absent", &st, &err) == 1);
  CHECK(chmod_at(root, "file", 0600, &err) == 0 && stat_at(root, "file", &st, &err) == 0);
  CHECK((st.st_mode & 07777) == 0600);
  CHECK(symlinkat("file", root, "link") == 0 && chmod_at(root, "link", 0600, &err) == -1);
  CHECK(err.code == ENOTSUP);
  cleanup_bytes struct bytes bytes = {0};
  CHECK(read_file_at(root, "file", &bytes, &err) == 0 && bytes.len == 3 && !memcmp(bytes.data, "abc", 3));
  CHECK(read_file_at(root, "link", &bytes, &err) == -1 && err.code == ELOOP);
  cleanup_bytes struct bytes entries = {0};
  CHECK(read_dir(root, &entries, &err) == 0 && entries.len == 2 * 3 + 4 + 4);
}

static void test_resolution(int root) {
  cleanup_fd int a = make_dir(root, "a");
  cleanup_fd int b = make_dir(a, "b");
  put(b, "deep", "x");
  CHECK(symlinkat("/a/b/../../../a/b", root, "out") == 0 && symlinkat("loop", root, "loop") == 0);
  static const struct {
    const char *path;
    int flags, code;
  } cases[] = {
      {"out/deep", O_RDONLY, 0},     {"/../../out/../b/deep", O_RDONLY, 0}, {"loop", O_RDONLY, ELOOP},
      {"a/b/deep/", O_RDONLY, ENOTDIR}, {"out", O_RDONLY | O_NOFOLLOW, ELOOP}, {"", O_RDONLY, ENOENT},
      {"a/none/x", O_RDONLY, ENOENT}, {"/", O_PATH, 0},                       {"a/./b/..", O_PATH, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    cleanup_fd int direct = open_in(root, cases[i].path, cases[i].flags, 0, &err);
    CHECK(cases[i].code ? direct < 0 && err.code == cases[i].code : direct >= 0);
    cleanup_fd int walked = open_in_walk(root, cases[i].path, cases[i].flags, 0, &err);
    CHECK(cases[i].code ? walked < 0 && err.code == cases[i].code : walked >= 0);
    struct stat one, other;
    if (direct >= 0) CHECK(fstat(direct, &one) == 0 && fstat(walked, &other) == 0 && one.st_ino == other.st_ino);
  }
}

static void test_copy(int root) {
  enum { HOLE = 1 << 20 };
  cleanup_fd int from = openat(root, "sparse", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  cleanup_fd int to = openat(root, "copy", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  CHECK(pwrite(from, "data", 4, HOLE) == 4 && ftruncate(from, 3 * HOLE) == 0);
  CHECK(copy_file(from, to, &err) == 3 * HOLE);
  struct stat st;
  char text[4];
  CHECK(fstat(to, &st) == 0 && st.st_size == 3 * HOLE && st.st_blocks * 512 < HOLE);
  CHECK(pread(to, text, 4, HOLE) == 4 && !memcmp(text, "data", 4));
  cleanup_bytes struct bytes extents = {0};
  CHECK(file_extents(to, &extents, &err) == 0 && extents.len == 2 * sizeof(int64_t));
  cleanup_fd int proc = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
  cleanup_fd int text_copy = openat(root, "status", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  CHECK(copy_file(proc, text_copy, &err) > 100);
}

static void test_xattrs(int root) {
  put(root, "marked", "");
  char large[3000];
  memset(large, 'v', sizeof large);
  struct bytes value = {.data = large, .len = sizeof large}, empty = {0};
  if (set_xattr(root, "marked", "user.large", &value, &err)) {
    fprintf(stderr, "skipped: xattrs: %s\n", strerror(err.code));
    return;
  }
  CHECK(set_xattr(root, "marked", "user.empty", &empty, &err) == 0);
  cleanup_bytes struct bytes all = {0}, one = {0};
  CHECK(list_xattrs(root, "marked", &all, &err) == 0 && all.len == 2 * 6 + 10 + 10 + sizeof large);
  CHECK(get_xattr(root, "marked", "user.large", &one, &err) == 0 && one.len == sizeof large);
  CHECK(get_xattr(root, "marked", "user.none", &one, &err) == 1);
  CHECK(remove_xattr(root, "marked", "user.large", &err) == 0);
}

static void test_removal(int root) {
  enum { DEPTH = 2000 };
  cleanup_fd int top = make_dir(root, "tree");
  cleanup_fd int at = fcntl(top, F_DUPFD_CLOEXEC, 0);
  for (int i = 0; i < DEPTH; i++) {
    if (i % 100 == 0) put(at, "\xff\xfe not text", "");
    int next = make_dir(at, "d");
    if (i % 1000 == 999) CHECK(fchmod(at, 0) == 0);
    close_fd(&at);
    at = next;
  }
  struct rlimit files = {64, 64}, before;
  CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
  files.rlim_max = before.rlim_max;
  CHECK(setrlimit(RLIMIT_NOFILE, &files) == 0);
  CHECK(remove_tree(root, "tree", &err) == 0 && faccessat(root, "tree", F_OK, 0) != 0);
  CHECK(remove_tree(root, "tree", &err) == 0);
  CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
}

static void count_entries(int mount, size_t expected) {
  cleanup_bytes struct bytes entries = {0};
  CHECK(read_dir(mount, &entries, &err) == 0);
  size_t count = 0;
  for (size_t at = 0; at < entries.len; count++) {
    uint16_t len;
    memcpy(&len, entries.data + at + 1, sizeof len);
    at += 3u + len;
  }
  CHECK(count == expected);
}

static void test_overlay(const char *base) {
  enum { LAYERS = 300 };
  char paths[LAYERS][300];
  const char *lower[LAYERS];
  cleanup_fd int dir = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  for (int i = 0; i < LAYERS; i++) {
    snprintf(paths[i], sizeof paths[i], "%s/:,\\ %d", base, i);
    cleanup_fd int layer = make_dir(dir, paths[i] + strlen(base) + 1);
    put(layer, paths[i] + strlen(base) + 4, "");
    lower[i] = paths[i];
  }
  struct overlay overlay = {.lower = lower, .lowers = LAYERS, .userxattr = geteuid() != 0};
  for (int legacy = 0; legacy < 2; legacy++) {
    overlay.legacy = legacy;
    overlay.lowers = LAYERS;
    cleanup_fd int many = mount_overlay(&overlay, &err);
    CHECK(many >= 0);
    count_entries(many, LAYERS);
    overlay.lowers = 1;
    cleanup_fd int one = mount_overlay(&overlay, &err);
    CHECK(one >= 0);
    count_entries(one, 1);
    CHECK(mkdirat(one, "x", 0755) == -1 && errno == EROFS);
  }
}

static void test_id_maps(const char *base) {
  cleanup_free char *path = NULL;
  CHECK(asprintf(&path, "%s/subuid", base) > 0);
  FILE *file = fopen(path, "we");
  fputs("# comment\nann:100000:65536\nbob:1:2\nann:100000:65536\n4711:300000:10\nann:nonsense\nann:500000:5", file);
  fclose(file);
  struct id_map map = {.ranges = {{0, 4711, 1}}, .length = 1};
  add_granted(path, "ann", 4711, &map);
  CHECK(map.length == 4 && mapped_ids(&map) == 1 + 65536 + 10 + 5);
  CHECK(map.ranges[2].inside == 65537 && map.ranges[2].outside == 300000);
  CHECK(free_range(path) == 500005);
  char name[64];
  find_user(0, name, sizeof name);
  CHECK(!strcmp(name, "root"));
  CHECK(read_id_map("/proc/self/uid_map", &map) == 0 && map.length > 0);
}

int main(void) {
  char base[] = "/tmp/bld-native-XXXXXX";
  CHECK(mkdtemp(base));
  cleanup_fd int root = open_root(base, &err);
  CHECK(root >= 0);
  umask(022);
  static void (*const tests[])(int) = {test_files, test_resolution, test_copy, test_xattrs, test_removal};
  for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
    cleanup_fd int dir = make_dir(root, "t");
    tests[i](dir);
    CHECK(remove_tree(root, "t", &err) == 0);
  }
  test_id_maps(base);
  if (unshare(CLONE_NEWNS) == 0) test_overlay(base);
  else fprintf(stderr, "skipped: overlay: %s\n", strerror(errno));
  CHECK(remove_tree(AT_FDCWD, base, &err) == 0);
  puts("native: passed");
  return 0;
}
