/* The first process of the new namespaces. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "attach.h"
#include "emulate.h"
#include "kernel.h"
#include "report.h"
#include "sandbox.h"
#include "system.h"
#include "util.h"

static void tie_to_helper(int helper) {
  char byte;
  /* Not dumpable: nobody inside looks into /proc/1 of ours (CVE-2019-5736). */
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0 ||
      prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
    die("sandbox", "tying the container to bld");
  if (setsid() < 0) die("sandbox", "new session");
  /* Should the helper have ended before the first line, then the socket says so. */
  if (RETRY(recv(helper, &byte, 1, 0)) != 1) _exit(125);
}

static void enter_cgroups(const struct spec *spec) {
  for (size_t i = 0; i < spec->cgroups.count; i++) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/cgroup.procs", spec->cgroups.items[i]);
    if (write_text(path, "0") < 0) die("cgroup", "entering %s", spec->cgroups.items[i]);
  }
  if (spec->new_namespaces & CLONE_NEWCGROUP && unshare(CLONE_NEWCGROUP) < 0)
    warning("a cgroup namespace is refused here (%s)", strerrorname_np(errno));
}

static void raise_loopback(void) {
  cleanup_fd int socket_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
  if (socket_fd < 0 || ioctl(socket_fd, SIOCSIFFLAGS, &request) < 0) die("network", "raising lo");
}

static void set_names(const struct spec *spec) {
  if (!(spec->new_namespaces & CLONE_NEWUTS)) return;
  if (sethostname(spec->hostname, strlen(spec->hostname)) < 0) die("sandbox", "hostname '%s'", spec->hostname);
  if (spec->domainname && setdomainname(spec->domainname, strlen(spec->domainname)) < 0)
    die("sandbox", "domain name '%s'", spec->domainname);
}

/* The slave's path in the container. */
static void open_terminal(int root, int helper, char *slave, size_t size) {
  cleanup_fd int dev = RETRY(openat(root, "dev", O_PATH | O_CLOEXEC));
  cleanup_fd int master = RETRY(openat(dev, "pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
  int number, unlocked = 0;
  if (master < 0 || ioctl(master, TIOCSPTLCK, &unlocked) < 0 || ioctl(master, TIOCGPTN, &number) < 0)
    die("terminal", "new pseudo terminal");
  snprintf(slave, size, "/dev/pts/%d", number);
  mount_console(root, slave + strlen("/dev/"));
  if (send_message(helper, MESSAGE_TERMINAL, master) < 0) die("terminal", "passing the terminal on");
}

static int working_directory(const struct spec *spec, int root) {
  struct walk walk = {.root = root, .directory = true};
  int fd = walk_to(&walk, spec->cwd);
  struct stat found;
  if (fd >= 0 && fstat(fd, &found) == 0 && !S_ISDIR(found.st_mode)) {
    errno = ENOTDIR;
    fd = -1;
  }
  if (fd < 0) die("cwd", "working directory '%s'", spec->cwd);
  return fd;
}

/* The new root lies on top of the old one: pivot_root(".", ".") swaps them, and the old one goes from above. */
static void pivot(int root, int cwd) {
  if (fchdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0) die("rootfs", "pivot_root");
  if (umount2(".", MNT_DETACH) < 0) die("rootfs", "leaving the old root");
  if (chdir("/") < 0 || fchdir(cwd) < 0) die("cwd", "entering the working directory");
  char path[PATH_MAX];
  if (!getcwd(path, sizeof path) || *path != '/') die("cwd", "the working directory is not in the container");
}

/*
 * Nothing that is mounted from here on reaches another namespace. In a chroot `/` is no mount: joining one's own
 * namespace leads to its real root (everything below goes by descriptor anyway).
 */
static void make_private(void) {
  struct kernel_mount_attr private = {.propagation = MS_PRIVATE};
  if (kernel_mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &private) == 0) return;
  if (errno == EINVAL) {
    cleanup_fd int own = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    if (own >= 0 && setns(own, CLONE_NEWNS) == 0 &&
        kernel_mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &private) == 0)
      return;
  }
  die("sandbox", "private mounts");
}

static int build_tree(const struct spec *spec, struct shared *shared, int helper, char *slave, size_t size) {
  make_private();
  if (kernel_move_mount(spec->rootfs, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
    die("rootfs", "attaching the root file system");
  mount_system(spec, spec->rootfs, &shared->stubs);
  if (spec->tty) open_terminal(spec->rootfs, helper, slave, size);
  attach_mounts(spec, spec->rootfs, &shared->stubs);
  return working_directory(spec, spec->rootfs);
}

static void forward(int signal, pid_t command) {
  if (signal == SIGNAL_KILL_ALL) signal = SIGKILL;
  /* As a terminal does it: to the whole group; to the command alone until it leads one. */
  bool group = signal != SIGUSR1 && signal != SIGUSR2;
  if (!group || kill(-command, signal) < 0) kill(command, signal);
}

/* Without a pid namespace of its own, the run's remains are our children: orphans come to us. */
static void end_descendants(void) {
  char path[64], text[4096];
  snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
  while (read_text(path, text, sizeof text) == 0 && *text) {
    char *save = NULL;
    for (char *pid = strtok_r(text, " ", &save); pid; pid = strtok_r(NULL, " ", &save))
      kill((pid_t)atoi(pid), SIGKILL);
    while (waitpid(-1, NULL, WNOHANG) > 0)
      ;
    usleep(1000);
  }
}

/* True when the command has ended. */
static bool reap(pid_t command, struct shared *shared) {
  pid_t ended;
  int status;
  while ((ended = waitpid(-1, &status, WNOHANG)) > 0) {
    if (ended != command) continue;
    shared->status = status;
    shared->ended = true;
    return true;
  }
  return false;
}

/* Until the command's end. `messages` brings the emulation's listener; -1 without emulation. */
static void watch(pid_t command, struct shared *shared, int messages, struct emulation *emulation) {
  sigset_t all;
  sigfillset(&all);
  int signals = signalfd(-1, &all, SFD_CLOEXEC);
  for (;;) {
    struct pollfd entries[] = {
        {signals, POLLIN, 0}, {messages, POLLIN, 0}, {messages < 0 ? emulation->listener : -1, POLLIN, 0}};
    if (poll(entries, 3, -1) < 0) continue;
    if (entries[2].revents && !emulation_answer(emulation)) close_fd(&emulation->listener);
    if (entries[1].revents) {
      receive_message(messages, &emulation->listener);
      emulation_begin(emulation);
      close_fd(&messages);
    }
    struct signalfd_siginfo info;
    if (!entries[0].revents || read(signals, &info, sizeof info) != sizeof info) continue;
    if (info.ssi_signo != SIGCHLD) forward((int)info.ssi_signo, command);
    else if (reap(command, shared)) return;
  }
}

/* Closes what is open from `first` on but the `kept` ones, in any order. */
static void close_others(const int *kept, size_t count) {
  unsigned from = 0;
  for (;;) {
    unsigned next = ~0u;
    for (size_t i = 0; i < count; i++)
      if (kept[i] >= (int)from && (unsigned)kept[i] < next) next = (unsigned)kept[i];
    if (next == ~0u) break;
    if (next > from) kernel_close_range(from, next - 1, 0);
    from = next + 1;
  }
  kernel_close_range(from, ~0u, 0);
}

void first_process(const struct spec *spec, struct shared *shared, int helper) {
  char slave[32] = "";
  int pair[2] = {-1, -1};
  struct emulation emulation = {.listener = -1, .owners_log = -1, .proc = -1, .root = -1};
  tie_to_helper(helper);
  enter_cgroups(spec);
  if (spec->oom_score_adj && write_text("/proc/self/oom_score_adj", spec->oom_score_adj) < 0 &&
      errno != EACCES && errno != EPERM)
    die("sandbox", "oom_score_adj %s", spec->oom_score_adj);
  if (spec->new_namespaces & CLONE_NEWNET) raise_loopback();
  set_names(spec);
  umask(0);
  int cwd = build_tree(spec, shared, helper, slave, sizeof slave);
  pivot(spec->rootfs, cwd);
  if (spec->emulate) {
    emulation_init(&emulation, spec);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) die("sandbox", "socketpair");
  }

  pid_t command = fork();
  if (command < 0) die("sandbox", "fork");
  if (command == 0) run_command(spec, pair[1], spec->tty ? slave : NULL);
  /* Nothing of the host stays open here. */
  const int kept[] = {pair[0], emulation.owners_log, emulation.proc, emulation.root};
  close_others(kept, sizeof kept / sizeof *kept);
  watch(command, shared, pair[0], &emulation);
  if (!(spec->new_namespaces & CLONE_NEWPID)) end_descendants();
  _exit(0);
}
