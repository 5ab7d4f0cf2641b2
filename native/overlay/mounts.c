#define _GNU_SOURCE
#include "fsops.h"
#include "mounts.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "kernel.h"

/*
 * Work in another mount namespace, or in a private copy of ours, without touching the rest of the process: namespaces,
 * root and working directory belong to a thread once it has its own `fs_struct`.
 */
struct excursion {
  int (*work)(void *argument, struct err *err);
  void *argument;
  int namespace; /* -1: a private copy of the current one */
  int result;
  struct err err;
};

static int enter_namespace(int namespace, struct err *err) {
  if (namespace < 0) {
    if (unshare(CLONE_NEWNS)) return fail(err, "unshare mount namespace");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) && errno != EINVAL) return fail(err, "mount '/' private");
    return 0;
  }
  if (unshare(CLONE_FS)) return fail(err, "unshare");
  return setns(namespace, CLONE_NEWNS) ? fail(err, "setns mount namespace") : 0;
}

static void *run_excursion(void *argument) {
  struct excursion *excursion = argument;
  excursion->result = enter_namespace(excursion->namespace, &excursion->err);
  if (excursion->result == 0) excursion->result = excursion->work(excursion->argument, &excursion->err);
  return NULL;
}

static int make_excursion(struct excursion *excursion, struct err *err) {
  pthread_t thread;
  int code = pthread_create(&thread, NULL, run_excursion, excursion);
  if (code) return fail_code(err, code, "pthread_create");
  pthread_join(thread, NULL);
  if (excursion->result < 0) *err = excursion->err;
  return excursion->result;
}

/* The kernel's own words about the last fsconfig, "e overlay: …", if it left any. */
static int fail_context(int context, const char *what, struct err *err) {
  int code = errno;
  char said[160];
  ssize_t n = read(context, said, sizeof said - 1);
  if (n <= 2) return fail_code(err, code, "%s", what);
  said[n] = 0;
  said[strcspn(said, "\n")] = 0;
  return fail_code(err, code, "%s (%s)", what, said + 2);
}

/* An overlay's directories, open (O_PATH): what follows needs no more path lookups. */
struct directories {
  int *lower;
  size_t lowers;
  int upper, work;
};

static void close_directories(struct directories *dirs) {
  for (size_t i = 0; i < dirs->lowers; i++) close_fd(&dirs->lower[i]);
  free(dirs->lower);
  close_fd(&dirs->upper);
  close_fd(&dirs->work);
}
#define cleanup_directories __attribute__((cleanup(close_directories)))

static int open_directory(const char *path, struct err *err) {
  int fd = RETRY(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
  return fd < 0 ? fail(err, "open '" SHOWN "'", path) : fd;
}

/*
 * Mounts are `volatile`: the kernel syncs nothing, neither for fsync inside nor when the mount ends (which would flush
 * the whole file system below, at each RUN). What has to last is synced by the store, once. The kernel leaves a mark
 * that forbids another such mount, meant for machines that lost power; the store judges that by itself.
 */
static int forget_volatile(int work, struct err *err) {
  cleanup_fd int inner = RETRY(openat(work, "work", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (inner < 0) return errno == ENOENT ? 0 : fail(err, "openat 'work'");
  return remove_tree(inner, "incompat", err);
}

static int open_directories(const struct overlay *overlay, struct directories *dirs, struct err *err) {
  dirs->lower = calloc(overlay->lowers + 1, sizeof *dirs->lower); /* one more for add_empty */
  if (!dirs->lower) return fail(err, "open overlay");
  for (size_t i = 0; i < overlay->lowers; i++) {
    int fd = open_directory(overlay->lower[i], err);
    if (fd < 0) return -1;
    dirs->lower[dirs->lowers++] = fd;
  }
  if (!overlay->upper) return 0;
  dirs->upper = open_directory(overlay->upper, err);
  if (dirs->upper < 0) return -1;
  dirs->work = open_directory(overlay->work, err);
  return dirs->work < 0 ? -1 : forget_volatile(dirs->work, err);
}

/* An overlay without upper wants two lower directories: an empty one below the only one. In a private namespace. */
static int add_empty(const struct overlay *overlay, struct directories *dirs, struct err *err) {
  if (mount("bld", overlay->lower[0], "tmpfs", MS_RDONLY, "size=4k,nr_inodes=2")) return fail(err, "mount tmpfs");
  int fd = open_directory(overlay->lower[0], err);
  if (fd < 0) return -1;
  dirs->lower[dirs->lowers++] = fd;
  return 0;
}

/*
 * By descriptor (Linux 6.13, O_PATH 6.15) neither the length nor special characters of a path matter. By string it is
 * the descriptor's name in /proc, for strings end at 255 bytes, and `:` and `\` mean something to some kernels.
 */
static int set_directory(int context, const char *key, int fd, struct err *err) {
  if (kernel_fsconfig(context, FSCONFIG_SET_FD, key, NULL, fd) == 0) return 0;
  char name[32];
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  if (kernel_fsconfig(context, FSCONFIG_SET_STRING, key, name, 0) == 0) return 0;
  return fail_context(context, "fsconfig overlay", err);
}

/* Nothing of a layer's own making may steer the mount: no redirects, no metacopy, no index. */
static const char *const options[][2] = {
    {"redirect_dir", "nofollow"}, {"metacopy", "off"}, {"index", "off"}, {"xino", "off"}};
enum { OPTIONS = sizeof options / sizeof *options };

static int mount_by_context(const struct overlay *overlay, const struct directories *dirs, struct err *err) {
  cleanup_fd int context = kernel_fsopen("overlay", FSOPEN_CLOEXEC);
  if (context < 0) return fail(err, "fsopen overlay");
  kernel_fsconfig(context, FSCONFIG_SET_STRING, "source", "bld", 0);
  for (size_t i = 0; i < dirs->lowers; i++)
    if (set_directory(context, "lowerdir+", dirs->lower[i], err)) return -1;
  if (dirs->upper >= 0) {
    if (set_directory(context, "upperdir", dirs->upper, err)) return -1;
    if (set_directory(context, "workdir", dirs->work, err)) return -1;
    if (kernel_fsconfig(context, FSCONFIG_SET_FLAG, "volatile", NULL, 0))
      return fail_context(context, "fsconfig overlay volatile", err);
  }
  for (size_t i = 0; i < OPTIONS; i++)
    if (kernel_fsconfig(context, FSCONFIG_SET_STRING, options[i][0], options[i][1], 0))
      return fail_context(context, "fsconfig overlay option", err);
  if (overlay->userxattr && kernel_fsconfig(context, FSCONFIG_SET_FLAG, "userxattr", NULL, 0))
    return fail_context(context, "fsconfig overlay userxattr", err);
  if (kernel_fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
    return fail_context(context, "fsconfig overlay", err);
  int mount = kernel_fsmount(context, FSMOUNT_CLOEXEC, dirs->upper >= 0 ? 0 : MOUNT_ATTR_RDONLY);
  return mount < 0 ? fail_context(context, "fsmount overlay", err) : mount;
}

/*
 * mount(2), whose options end at 4096 bytes: the directories are named by their descriptors' numbers, relative to
 * /proc/self/fd. The mount lands on the uppermost layer in a private namespace, and only its clone leaves that.
 */
static int mount_by_string(const struct overlay *overlay, const struct directories *dirs, struct err *err) {
  char text[4096];
  size_t at = 0, room = sizeof text;
#define ADD(...) (at += at < room ? (size_t)snprintf(text + at, room - at, __VA_ARGS__) : 0)
  for (size_t i = 0; i < dirs->lowers; i++) ADD("%s%d", i == 0 ? "lowerdir=" : ":", dirs->lower[i]);
  if (dirs->upper >= 0) ADD(",volatile,upperdir=%d,workdir=%d", dirs->upper, dirs->work);
  for (size_t i = 0; i < OPTIONS; i++) ADD(",%s=%s", options[i][0], options[i][1]);
  if (overlay->userxattr) ADD(",userxattr");
#undef ADD
  if (at >= room) return fail_code(err, E2BIG, "mount overlay of %zu layers", dirs->lowers);
  if (chdir("/proc/self/fd")) return fail(err, "chdir '/proc/self/fd'");
  if (mount("bld", overlay->lower[0], "overlay", dirs->upper >= 0 ? 0 : MS_RDONLY, text))
    return fail(err, "mount overlay");
  return clone_tree(overlay->lower[0], false, err);
}

/* What an older kernel or a sandbox says to the new calls, or to lowerdir+. */
static bool is_refusal(int code) {
  return code == EINVAL || code == ENOSYS || code == EPERM || code == EOPNOTSUPP;
}

/* In a private mount namespace, in a thread of its own. */
static int mount_apart(void *argument, struct err *err) {
  const struct overlay *overlay = argument;
  cleanup_directories struct directories dirs = {.upper = -1, .work = -1};
  if (open_directories(overlay, &dirs, err)) return -1;
  if (dirs.lowers == 1 && dirs.upper < 0 && add_empty(overlay, &dirs, err)) return -1;
  if (overlay->legacy) return mount_by_string(overlay, &dirs, err);
  struct err first;
  int mount = mount_by_context(overlay, &dirs, &first);
  if (mount >= 0) return mount;
  if (is_refusal(first.code)) {
    mount = mount_by_string(overlay, &dirs, err);
    /* Where both were refused alike, the new calls say more about it. */
    if (mount >= 0 || err->code != first.code) return mount;
  }
  *err = first;
  return -1;
}

int mount_overlay(const struct overlay *overlay, struct err *err) {
  struct excursion excursion = {.work = mount_apart, .argument = (void *)overlay, .namespace = -1};
  if (overlay->legacy || (!overlay->upper && overlay->lowers == 1)) return make_excursion(&excursion, err);
  cleanup_directories struct directories dirs = {.upper = -1, .work = -1};
  if (open_directories(overlay, &dirs, err)) return -1;
  struct err first;
  int mount = mount_by_context(overlay, &dirs, &first);
  if (mount >= 0) return mount;
  if (is_refusal(first.code)) return make_excursion(&excursion, err);
  *err = first;
  return -1;
}

int mount_tmpfs(const char *size, const char *mode, struct err *err) {
  cleanup_fd int fs = kernel_fsopen("tmpfs", FSOPEN_CLOEXEC);
  if (fs < 0) return fail(err, "fsopen tmpfs");
  if (kernel_fsconfig(fs, FSCONFIG_SET_STRING, "source", "tmpfs", 0) < 0 ||
      kernel_fsconfig(fs, FSCONFIG_SET_STRING, "mode", mode, 0) < 0 ||
      (size && kernel_fsconfig(fs, FSCONFIG_SET_STRING, "size", size, 0) < 0) ||
      kernel_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
    return fail_context(fs, "fsconfig tmpfs", err);
  int mount = kernel_fsmount(fs, FSMOUNT_CLOEXEC, 0);
  return mount < 0 ? fail(err, "fsmount tmpfs") : mount;
}

int clone_tree(const char *path, bool recursive, struct err *err) {
  int fd = kernel_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0));
  return fd < 0 ? fail(err, "open_tree '" SHOWN "'", path) : fd;
}

struct place {
  int mount;
  const char *path;
};

static int attach(void *argument, struct err *err) {
  const struct place *place = argument;
  if (kernel_move_mount(place->mount, "", AT_FDCWD, place->path, MOVE_MOUNT_F_EMPTY_PATH) == 0) return 0;
  return fail(err, "move_mount '" SHOWN "'", place->path);
}

static int detach(void *argument, struct err *err) {
  const struct place *place = argument;
  if (umount2(place->path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0) return 0;
  return fail(err, "umount2 '" SHOWN "'", place->path);
}

static int at_place(int (*work)(void *, struct err *), struct place *place, int namespace, struct err *err) {
  if (namespace < 0) return work(place, err);
  struct excursion excursion = {.work = work, .argument = place, .namespace = namespace};
  return make_excursion(&excursion, err);
}

int attach_mount(int mount, const char *path, int namespace, struct err *err) {
  struct place place = {.mount = mount, .path = path};
  return at_place(attach, &place, namespace, err);
}

int detach_mount(const char *path, int namespace, struct err *err) {
  struct place place = {.path = path};
  return at_place(detach, &place, namespace, err);
}
