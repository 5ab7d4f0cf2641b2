#define _GNU_SOURCE
#include "system.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "attach.h"
#include "kernel.h"
#include "report.h"
#include "util.h"

#define CGROUP2_MAGIC 0x63677270
#define SAFE (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

/* As Docker has them. */
static const char *const MASKED_PROC[] = {"acpi",         "asound",     "interrupts",  "kcore",       "keys",
                                          "latency_stats", "timer_list", "timer_stats", "sched_debug", "scsi"};
static const char *const MASKED_SYS[] = {"firmware", "devices/virtual/powercap"};
static const char *const READONLY_PROC[] = {"bus", "fs", "irq", "sys", "sysrq-trigger"};

static const struct {
  const char *name;
  unsigned major, minor;
} DEVICES[] = {{"null", 1, 3},    {"zero", 1, 5}, {"full", 1, 7},
               {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};

static const struct {
  const char *name, *target;
} LINKS[] = {{"fd", "/proc/self/fd"},       {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
             {"stderr", "/proc/self/fd/2"}, {"ptmx", "pts/ptmx"}};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* The image's own directory: a symlink there could send our mounts elsewhere (CVE-2019-19921). */
static int top_directory(int root, const char *name, struct stubs *stubs) {
  struct walk walk = {.root = root, .directory = true, .no_links = true, .stubs = stubs};
  int fd = walk_to(&walk, name);
  struct stat found;
  if (fd >= 0 && fstat(fd, &found) == 0 && !S_ISDIR(found.st_mode)) {
    errno = ENOTDIR;
    fd = -1;
  }
  if (fd < 0) die("rootfs", "the image's %s must be a directory", name);
  return fd;
}

static int mount_at(int root, const char *name, int mount, struct stubs *stubs) {
  cleanup_fd int target = top_directory(root, name, stubs);
  if (attach_mount(mount, target) < 0) die("rootfs", "mounting %s", name);
  return mount;
}

static int inside(int dir, const char *path) {
  return RETRY(openat(dir, path, O_PATH | O_NOFOLLOW | O_CLOEXEC));
}

static void cover(int target, int mount) {
  if (mount < 0 || attach_mount(mount, target) < 0) die("rootfs", "masking paths");
}

/* What hides a path: /dev/null a file; an empty directory another one, made when first needed. */
struct covers {
  int null, empty;
};

static int cover_directory(struct covers *covers) {
  if (covers->empty >= 0) return clone_tree(covers->empty, "", false);
  covers->empty = new_filesystem("tmpfs", NULL, SAFE | MOUNT_ATTR_RDONLY);
  return dup(covers->empty);
}

static void mask(int top, const char *path, struct covers *covers) {
  cleanup_fd int target = inside(top, path);
  struct stat found;
  if (target < 0 || fstat(target, &found) < 0) return; /* not in this kernel */
  cleanup_fd int clone = S_ISDIR(found.st_mode) ? cover_directory(covers) : clone_tree(covers->null, "", false);
  cover(target, clone);
}

static void make_readonly(int top, const char *path) {
  cleanup_fd int target = inside(top, path);
  if (target < 0) return;
  cleanup_fd int clone = clone_tree(target, "", true);
  if (clone < 0 || restrict_mount(clone, MOUNT_ATTR_RDONLY | SAFE, true) < 0)
    die("rootfs", "making /proc/%s read-only", path);
  cover(target, clone);
}

static int mount_proc(const struct spec *spec, int root, struct stubs *stubs) {
  int proc = new_filesystem("proc", NULL, SAFE);
  if (proc < 0) {
    if (spec->new_namespaces & CLONE_NEWPID)
      warning("a new /proc is refused here (%s): the command sees the processes outside", strerrorname_np(errno));
    proc = clone_tree(AT_FDCWD, "/proc", true);
    if (proc < 0 || restrict_mount(proc, SAFE, false) < 0) die("rootfs", "binding /proc");
  }
  return mount_at(root, "/proc", proc, stubs);
}

static int mount_sys(int root, struct stubs *stubs) {
  int sys = new_filesystem("sysfs", NULL, SAFE | MOUNT_ATTR_RDONLY);
  if (sys < 0) {
    /* The network namespace is not our user namespace's own. */
    sys = clone_tree(AT_FDCWD, "/sys", true);
    if (sys < 0 || restrict_mount(sys, SAFE | MOUNT_ATTR_RDONLY, true) < 0) die("rootfs", "binding /sys");
  }
  mount_at(root, "/sys", sys, stubs);
  struct statfs fs;
  if (statfs("/sys/fs/cgroup", &fs) == 0 && fs.f_type == CGROUP2_MAGIC) {
    cleanup_fd int target = inside(sys, "fs/cgroup");
    cleanup_fd int cgroup = target < 0 ? -1 : new_filesystem("cgroup2", NULL, SAFE | MOUNT_ATTR_RDONLY);
    if (cgroup >= 0) (void)attach_mount(cgroup, target);
  }
  return sys;
}

/* The host's node, bound: the same as root and in a user namespace, and nobody can make another one that works. */
static void bind_device(int dev, const char *name, dev_t device) {
  char path[64];
  snprintf(path, sizeof path, "/dev/%s", name);
  cleanup_fd int source = clone_tree(AT_FDCWD, path, false);
  struct stat found;
  if (source < 0 || fstat(source, &found) < 0 || !S_ISCHR(found.st_mode) || found.st_rdev != device) {
    if (strcmp(name, "null") == 0) die("rootfs", "there is no usable /dev/null");
    warning("there is no usable %s", path);
    return;
  }
  if (mknodat(dev, name, S_IFREG | 0666, 0) < 0) die("rootfs", "making %s", path);
  cleanup_fd int target = inside(dev, name);
  if (target < 0 || restrict_mount(source, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, false) < 0 ||
      attach_mount(source, target) < 0)
    die("rootfs", "binding %s", path);
}

static void mount_below_dev(int dev, const char *name, int mount) {
  if (mkdirat(dev, name, 0755) < 0) die("rootfs", "making /dev/%s", name);
  cleanup_fd int target = inside(dev, name);
  if (target < 0 || attach_mount(mount, target) < 0) die("rootfs", "mounting /dev/%s", name);
  close(mount);
}

static void mount_pts(int dev) {
  struct option options[] = {{"newinstance", NULL}, {"ptmxmode", "0666"}, {"mode", "0620"}, {"gid", "5"}, {0}};
  int pts = new_filesystem("devpts", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
  if (pts < 0) {
    options[3] = (struct option){0}; /* group 5 has no id in this user namespace */
    pts = new_filesystem("devpts", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
  }
  if (pts < 0) die("rootfs", "new devpts");
  mount_below_dev(dev, "pts", pts);
}

static void mount_mqueue(int dev) {
  int queues = new_filesystem("mqueue", NULL, SAFE);
  if (queues < 0) queues = clone_tree(AT_FDCWD, "/dev/mqueue", false);
  if (queues >= 0) mount_below_dev(dev, "mqueue", queues);
}

static int mount_dev(const struct spec *spec, int root, struct stubs *stubs) {
  const struct option small[] = {{"mode", "755"}, {"size", "65536k"}, {0}};
  int dev = new_filesystem("tmpfs", small, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
  if (dev < 0) die("rootfs", "new tmpfs for /dev");
  mount_at(root, "/dev", dev, stubs);
  for (size_t i = 0; i < COUNT(DEVICES); i++)
    bind_device(dev, DEVICES[i].name, makedev(DEVICES[i].major, DEVICES[i].minor));
  for (size_t i = 0; i < COUNT(LINKS); i++)
    if (symlinkat(LINKS[i].target, dev, LINKS[i].name) < 0) die("rootfs", "making /dev/%s", LINKS[i].name);
  if (access("/proc/kcore", F_OK) == 0 && symlinkat("/proc/kcore", dev, "core") < 0) die("rootfs", "making /dev/core");
  mount_pts(dev);
  const struct option shared[] = {{"mode", "1777"}, {"size", spec->shm_size}, {0}};
  int shm = new_filesystem("tmpfs", shared, SAFE);
  if (shm < 0) die("rootfs", "new tmpfs of %s bytes for /dev/shm", spec->shm_size);
  mount_below_dev(dev, "shm", shm);
  mount_mqueue(dev);
  return dev;
}

static void mask_paths(int proc, int sys, int dev) {
  struct covers covers = {inside(dev, "null"), -1};
  struct stat found;
  if (covers.null < 0 || fstat(covers.null, &found) < 0 || !S_ISCHR(found.st_mode)) die("rootfs", "masking paths");
  for (size_t i = 0; i < COUNT(READONLY_PROC); i++) make_readonly(proc, READONLY_PROC[i]);
  for (size_t i = 0; i < COUNT(MASKED_PROC); i++) mask(proc, MASKED_PROC[i], &covers);
  for (size_t i = 0; i < COUNT(MASKED_SYS); i++) mask(sys, MASKED_SYS[i], &covers);
  for (unsigned cpu = 0;; cpu++) {
    char path[80];
    snprintf(path, sizeof path, "devices/system/cpu/cpu%u", cpu);
    if (faccessat(sys, path, F_OK, 0) < 0) break;
    strcat(path, "/thermal_throttle");
    mask(sys, path, &covers);
  }
  close_fd(&covers.null);
  close_fd(&covers.empty);
}

void mount_system(const struct spec *spec, int root, struct stubs *stubs) {
  cleanup_fd int proc = mount_proc(spec, root, stubs);
  cleanup_fd int sys = mount_sys(root, stubs);
  cleanup_fd int dev = mount_dev(spec, root, stubs);
  if (spec->masked) mask_paths(proc, sys, dev);
}

void mount_console(int root, const char *slave) {
  cleanup_fd int dev = inside(root, "dev");
  if (dev < 0 || mknodat(dev, "console", S_IFREG | 0600, 0) < 0) die("rootfs", "making /dev/console");
  cleanup_fd int target = inside(dev, "console");
  cleanup_fd int terminal = clone_tree(dev, slave, false);
  if (terminal < 0 || attach_mount(terminal, target) < 0) die("rootfs", "mounting /dev/console");
}
