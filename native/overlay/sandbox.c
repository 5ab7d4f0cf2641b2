#define _GNU_SOURCE
#include "sandbox.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "attach.h"
#include "pty.h"
#include "report.h"
#include "util.h"

/* From the first request to end until there is no choice. */
#define GRACE_SECONDS 10

struct run {
  const struct spec *spec;
  struct shared *shared;
  pid_t first;
  int channel, messages, signals;
  struct pty pty;
  bool begun, interrupted; /* the first process has been told to go on; SIGINT came once */
  time_t deadline; /* CLOCK_MONOTONIC seconds; 0: none */
};

static time_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec;
}

static void join_namespaces(const struct spec *spec) {
  for (size_t i = 0; i < spec->joined.count; i++) {
    const char *path = spec->joined.items[i];
    cleanup_fd int fd = RETRY(open(path, O_RDONLY | O_CLOEXEC));
    if (fd < 0 || setns(fd, 0) < 0) die("namespaces", "joining namespace %s", path);
  }
}

/* Signals wait in a descriptor from here on, also in the processes to come. */
static int hold_signals(void) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, NULL);
  /* Node gave us default actions for all: none is ignored, here and in the command. */
  int fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd < 0) die("sandbox", "signalfd");
  return fd;
}

static void start(struct run *run) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) die("sandbox", "socketpair");
  unsigned long flags = (run->spec->new_namespaces & ~(unsigned long)CLONE_NEWCGROUP) | CLONE_NEWNS | SIGCHLD;
  run->first = (pid_t)syscall(SYS_clone, flags, 0, 0, 0, 0);
  if (run->first < 0) die("namespaces", "making the container's namespaces");
  if (run->first == 0) {
    close(pair[0]);
    first_process(run->spec, run->shared, pair[1]);
  }
  close(pair[1]);
  run->messages = pair[0];
}

static void kill_all(const struct run *run) {
  /* Without a pid namespace the first process has to live, to end the others. */
  kill(run->first, run->spec->new_namespaces & CLONE_NEWPID ? SIGKILL : SIGNAL_KILL_ALL);
}

static void on_signal(struct run *run) {
  struct signalfd_siginfo info;
  while (read(run->signals, &info, sizeof info) == sizeof info) {
    int number = (int)info.ssi_signo;
    switch (number) {
      case SIGWINCH: pty_resize(&run->pty); break;
      case SIGINT:
        if (run->interrupted) kill_all(run);
        run->interrupted = true;
        __attribute__((fallthrough));
      case SIGTERM:
      case SIGHUP:
      case SIGQUIT:
        if (!run->begun) kill_all(run);
        if (run->deadline == 0) run->deadline = now() + GRACE_SECONDS;
        __attribute__((fallthrough));
      case SIGUSR1:
      case SIGUSR2: kill(run->first, number); break;
      default: break;
    }
  }
}

static void go(struct run *run) {
  run->begun = true;
  (void)send_message(run->messages, MESSAGE_GO, -1);
}

/* Bld says that the network is there, or it is gone. */
static void on_channel(struct run *run) {
  char byte;
  if (RETRY(recv(run->channel, &byte, 1, 0)) == 1) {
    go(run);
    return;
  }
  kill_all(run);
  close_fd(&run->channel);
}

static void on_message(struct run *run) {
  int fd, kind = receive_message(run->messages, &fd);
  if (kind == MESSAGE_TERMINAL && fd >= 0) pty_start(&run->pty, fd);
  else close_fd(&run->messages); /* the command runs: no more to come */
}

static bool first_ended(const struct run *run) {
  return waitpid(run->first, NULL, WNOHANG) == run->first;
}

static void attend(struct run *run) {
  enum { SIGNALS, CHANNEL, MESSAGES, PTY, COUNT = PTY + 3 };
  for (;;) {
    struct pollfd entries[COUNT] = {
        [SIGNALS] = {run->signals, POLLIN, 0},
        [CHANNEL] = {run->channel, POLLIN, 0},
        [MESSAGES] = {run->messages, POLLIN, 0},
    };
    pty_poll(&run->pty, entries + PTY);
    int n = poll(entries, COUNT, run->deadline ? 1000 : -1);
    if (n < 0 && errno != EINTR) die("sandbox", "poll");
    if (entries[MESSAGES].revents) on_message(run);
    if (entries[CHANNEL].revents) on_channel(run);
    if (!pty_copy(&run->pty, entries + PTY)) kill_all(run);
    if (entries[SIGNALS].revents) {
      on_signal(run);
      if (first_ended(run)) return;
    }
    if (run->deadline && now() >= run->deadline) kill_all(run);
  }
}

/* The kernel counts its out-of-memory kills: v2 in memory.events, v1 in memory.oom_control. */
static bool ran_out_of_memory(const char *cgroup) {
  static const char *const files[] = {"memory.events", "memory.oom_control"};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    char path[PATH_MAX], text[1024];
    snprintf(path, sizeof path, "%s/%s", cgroup, files[i]);
    if (read_text(path, text, sizeof text) < 0) continue;
    const char *at = strstr(text, "oom_kill ");
    if (at && atol(at + strlen("oom_kill ")) > 0) return true;
  }
  return false;
}

static void leave_cgroups(const struct spec *spec) {
  for (size_t i = 0; i < spec->cgroups.count; i++) {
    if (ran_out_of_memory(spec->cgroups.items[i])) report("oom", "1");
    /* The kernel lets go of the last process a little after its end. */
    for (int tries = 0; rmdir(spec->cgroups.items[i]) < 0 && errno == EBUSY && tries < 100; tries++) usleep(1000);
  }
}

static void tell_end(const struct run *run) {
  int status = run->shared->status;
  if (!run->shared->ended) report_number("signal", SIGKILL);
  else if (WIFSIGNALED(status)) report_number("signal", WTERMSIG(status));
  else report_number("exit", WEXITSTATUS(status));
}

int sandbox_run(int channel) {
  struct spec *spec = spec_read(channel);
  struct run run = {.spec = spec, .channel = channel, .pty.master = -1};
  run.signals = hold_signals();
  run.shared = mmap(NULL, sizeof *run.shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (run.shared == MAP_FAILED) die("sandbox", "shared memory");
  open_sources(spec);
  join_namespaces(spec);
  start(&run);
  if (spec->wait_for_network) report_number("pid", run.first);
  else go(&run);
  attend(&run);
  pty_end(&run.pty);
  leave_cgroups(spec);
  remove_stubs(spec->rootfs, &run.shared->stubs);
  tell_end(&run);
  return 0;
}
