/* The last steps of the command's own process, up to its execve. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "kernel.h"
#include "report.h"
#include "sandbox.h"
#include "util.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define KEYCTL_JOIN_SESSION_KEYRING 1

static void set_capabilities(uint64_t permitted, uint64_t effective) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[2] = {
      {.effective = (uint32_t)effective, .permitted = (uint32_t)permitted},
      {.effective = (uint32_t)(effective >> 32), .permitted = (uint32_t)(permitted >> 32)},
  };
  if (syscall(SYS_capset, &header, data) < 0) die("capabilities", "setting the capabilities");
}

static uint64_t permitted_capabilities(void) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[2];
  if (syscall(SYS_capget, &header, data) < 0) die("capabilities", "reading the capabilities");
  return data[0].permitted | (uint64_t)data[1].permitted << 32;
}

static void limit_bounding_set(uint64_t wanted) {
  for (unsigned capability = 0; capability < 64; capability++) {
    if (wanted >> capability & 1) continue;
    if (prctl(PR_CAPBSET_DROP, capability) == 0) continue;
    if (errno == EINVAL) return; /* past the kernel's last */
    die("capabilities", "dropping capability %u from the bounding set", capability);
  }
}

static void set_limits(const struct spec *spec) {
  for (size_t i = 0; i < spec->rlimit_count; i++) {
    const struct rlimit_spec *wanted = &spec->rlimits[i];
    struct rlimit limit = {.rlim_cur = wanted->soft, .rlim_max = wanted->hard}, present;
    if (setrlimit((__rlimit_resource_t)wanted->resource, &limit) == 0) continue;
    if (errno != EPERM || getrlimit((__rlimit_resource_t)wanted->resource, &present) < 0)
      die("limits", "resource limit %d", wanted->resource);
    /* Only CAP_SYS_RESOURCE may raise a hard limit. */
    limit.rlim_max = present.rlim_max;
    if (limit.rlim_cur > limit.rlim_max) limit.rlim_cur = limit.rlim_max;
    if (setrlimit((__rlimit_resource_t)wanted->resource, &limit) < 0)
      die("limits", "resource limit %d", wanted->resource);
    char text[80];
    snprintf(text, sizeof text, "resource limit %d stays at %llu", wanted->resource,
             (unsigned long long)present.rlim_max);
    report("debug", text);
  }
}

static void set_ids(const struct spec *spec) {
  if (spec->emulate) return; /* there is no other id here */
  if (setgroups(spec->group_count, spec->groups) < 0) die("user", "supplementary groups");
  if (setresgid(spec->gid, spec->gid, spec->gid) < 0) die("user", "gid %u", spec->gid);
  /* The filters still need CAP_SYS_ADMIN. */
  if (prctl(PR_SET_KEEPCAPS, 1) < 0 || setresuid(spec->uid, spec->uid, spec->uid) < 0)
    die("user", "uid %u", spec->uid);
}

static int load_filter(const struct filter *filter, unsigned long flags) {
  struct sock_fprog program = {.len = (unsigned short)(filter->length / sizeof(struct sock_filter)),
                               .filter = (struct sock_filter *)filter->bytes};
  return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

/* True when there is a listener, and the first process has it. */
static bool load_notify_filter(const struct filter *filter, int first) {
  /* A call that the first process looks at is not interrupted by a mere signal: it would come twice. */
  unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | 1ul << 5 /* ..._WAIT_KILLABLE_RECV */;
  int listener = load_filter(filter, flags);
  if (listener < 0 && errno == EINVAL) listener = load_filter(filter, SECCOMP_FILTER_FLAG_NEW_LISTENER);
  if (listener < 0) {
    warning("calls about ids cannot be watched here (%s): owners that the command gives are lost",
            strerrorname_np(errno));
    return false;
  }
  if (send_message(first, MESSAGE_LISTENER, listener) < 0) die("seccomp", "passing the listener on");
  close(listener);
  return true;
}

static void load_filters(const struct spec *spec, int first) {
  bool watched = false;
  for (size_t i = 0; i < spec->filter_count; i++) {
    const struct filter *filter = &spec->filters[i];
    if (filter->kind == FILTER_NOTIFY) watched = load_notify_filter(filter, first);
    else if (filter->kind == FILTER_INSTEAD && watched) continue;
    else if (load_filter(filter, 0) < 0) die("seccomp", "loading the system call filter");
  }
}

static void take_terminal(const struct spec *spec, const char *path) {
  int terminal = RETRY(open(path, O_RDWR | O_CLOEXEC));
  if (terminal < 0 || ioctl(terminal, TIOCSCTTY, 0) < 0) die("terminal", "opening %s", path);
  if (!spec->emulate && fchown(terminal, spec->uid, (gid_t)-1) < 0) die("terminal", "owner of %s", path);
  for (int fd = 0; fd < 3; fd++)
    if (dup2(terminal, fd) < 0) die("terminal", "connecting %s", path);
}

static const char *path_variable(const struct spec *spec) {
  for (size_t i = spec->env.count; i > 0; i--)
    if (strncmp(spec->env.items[i - 1], "PATH=", 5) == 0) return spec->env.items[i - 1] + 5;
  return DEFAULT_PATH;
}

/* As the shell finds it: the first executable file in PATH; an error of one that is not is kept for the end. */
static const char *find_program(const struct spec *spec, char *path, size_t size) {
  const char *name = spec->argv.items[0];
  if (strchr(name, '/')) return name;
  int error = ENOENT;
  if (*name)
    for (const char *at = path_variable(spec); at; at = strchr(at, ':') ? strchr(at, ':') + 1 : NULL) {
      int length = (int)strcspn(at, ":");
      snprintf(path, size, "%.*s%s%s", length, at, length ? "/" : "./", name);
      struct stat found;
      if (stat(path, &found) < 0 || !S_ISREG(found.st_mode)) continue;
      if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0) return path;
      error = errno;
    }
  errno = error;
  die("exec", "%s", name);
}

static void unblock_signals(void) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

void run_command(const struct spec *spec, int first, const char *terminal) {
  char path[PATH_MAX];
  if (setsid() < 0) die("sandbox", "new session");
  if (terminal) take_terminal(spec, terminal);
  (void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
  set_limits(spec);
  uint64_t all = permitted_capabilities(), wanted = spec->capabilities & all;
  limit_bounding_set(wanted);
  set_ids(spec);
  /* Set-id changes take the tie away: only now. */
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) die("sandbox", "tying the command to bld");
  if (kernel_close_range(3, ~0u, 4 /* CLOSE_RANGE_CLOEXEC */) < 0) die("sandbox", "closing descriptors");
  if (spec->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) die("sandbox", "no_new_privs");
  umask(spec->umask);
  unblock_signals();
  set_capabilities(all, wanted | 1ull << CAP_SYS_ADMIN);
  const char *program = find_program(spec, path, sizeof path);
  /* From here on every call passes the filters: capset, execve, and what it takes to report a failure. */
  load_filters(spec, first);
  uint64_t kept = spec->uid == 0 || spec->emulate ? wanted : 0;
  set_capabilities(kept, kept);
  execve(program, spec->argv.items, spec->env.items);
  die("exec", "%s", program);
}
