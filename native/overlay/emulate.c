#define _GNU_SOURCE
#include "emulate.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "report.h"
#include "util.h"

#define PAGE 4096

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP 1ul
#endif

static const struct named_handler *handler_named(const char *name, bool thirty_two, bool *narrow) {
  const struct named_handler *const tables[] = {id_handlers, file_handlers, stat_handlers};
  size_t length = strlen(name);
  bool marked = length > 2 && strcmp(name + length - 2, "32") == 0;
  if (marked) length -= 2;
  for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
    for (const struct named_handler *at = tables[i]; at->name; at++)
      if (strlen(at->name) == length && memcmp(at->name, name, length) == 0) {
        *narrow = thirty_two && at->sixteen && !marked;
        return at;
      }
  return NULL;
}

/* "ARCHITECTURE NUMBER NAME" as the filter was made with. */
static void add_call(struct emulation *emulation, const char *text) {
  unsigned architecture;
  int number;
  char name[32];
  bool narrow = false;
  if (sscanf(text, "%u %d %31s", &architecture, &number, name) != 3) return;
  bool wide = architecture & __AUDIT_ARCH_64BIT;
  const struct named_handler *found = handler_named(name, !wide, &narrow);
  errno = EINVAL;
  if (!found) die("spec", "no emulation of %s", name);
  emulation->calls[emulation->call_count++] =
      (struct emulated){architecture, number, narrow, wide, found->handle};
}

/* Of a /proc that belongs to an outer process namespace, see number_in_proc. */
static bool is_foreign(int proc) {
  char self[16] = "";
  return readlinkat(proc, "self", self, sizeof self - 1) < 0 || atoi(self) != getpid();
}

void emulation_init(struct emulation *emulation, const struct spec *spec) {
  *emulation = (struct emulation){.listener = -1, .owners_log = spec->owners_log};
  emulation->proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
  emulation->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  emulation->calls = calloc(spec->emulated.count, sizeof *emulation->calls);
  if (emulation->proc < 0 || emulation->root < 0 || !emulation->calls) die("sandbox", "emulating other ids");
  emulation->other_roots = spec->capabilities >> CAP_SYS_ADMIN & 1;
  emulation->foreign = is_foreign(emulation->proc);
  for (size_t i = 0; i < spec->emulated.count; i++) add_call(emulation, spec->emulated.items[i]);
  struct ids *initial = &emulation->ids.initial;
  initial->uid = initial->euid = initial->suid = initial->fsuid = spec->uid;
  initial->gid = initial->egid = initial->sgid = initial->fsgid = spec->gid;
  while (initial->group_count < spec->group_count && initial->group_count < MAX_GROUPS) {
    initial->groups[initial->group_count] = spec->groups[initial->group_count];
    initial->group_count++;
  }
  emulation->ids.proc = emulation->proc;
}

/* A /proc of an outer namespace numbers our processes otherwise, and tells its number of a pidfd. */
static pid_t number_in_proc(pid_t thread) {
  char path[64], text[512];
  cleanup_fd int fd = (int)syscall(SYS_pidfd_open, thread, O_EXCL /* PIDFD_THREAD */);
  if (fd < 0) fd = (int)syscall(SYS_pidfd_open, thread, 0);
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
  if (fd < 0 || read_text(path, text, sizeof text) < 0) return -1;
  const char *at = strstr(text, "Pid:");
  return at ? (pid_t)atoi(at + 4) : -1;
}

/* In pieces that lie in one page each: an unmapped page ends the copy, and what is before it still counts. */
static ssize_t copy_memory(const struct call *call, uint64_t address, void *here, size_t length, bool out) {
  size_t done = 0;
  while (done < length) {
    size_t piece = PAGE - (address + done) % PAGE;
    if (piece > length - done) piece = length - done;
    struct iovec local = {(char *)here + done, piece};
    struct iovec remote = {(void *)(uintptr_t)(address + done), piece};
    ssize_t n = out ? process_vm_writev(call->pid, &local, 1, &remote, 1, 0)
                    : process_vm_readv(call->pid, &local, 1, &remote, 1, 0);
    if (n <= 0) break;
    done += (size_t)n;
    if (!out && memchr((char *)here + done - n, 0, (size_t)n) && length == PATH_MAX) break; /* a path's end */
  }
  return (ssize_t)done;
}

int read_memory(const struct call *call, uint64_t address, void *to, size_t length) {
  return copy_memory(call, address, to, length, false) == (ssize_t)length ? 0 : -1;
}

int write_memory(const struct call *call, uint64_t address, const void *from, size_t length) {
  return copy_memory(call, address, (void *)from, length, true) == (ssize_t)length ? 0 : -1;
}

int read_path(const struct call *call, uint64_t address, char to[PATH_MAX]) {
  ssize_t length = copy_memory(call, address, to, PATH_MAX, false);
  errno = length == PATH_MAX ? ENAMETOOLONG : EFAULT;
  return length > 0 && memchr(to, 0, (size_t)length) ? 0 : -1;
}

bool still_waiting(const struct call *call) {
  return ioctl(call->emulation->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &call->id) == 0;
}

void emulation_begin(struct emulation *emulation) {
  /* Caller and answerer on one processor: only one of them has something to do. Linux 6.6; without it, it is slower. */
  (void)ioctl(emulation->listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
}

static const struct emulated *emulated_of(const struct emulation *emulation, const struct seccomp_data *data) {
  for (size_t i = 0; i < emulation->call_count; i++)
    if (emulation->calls[i].number == data->nr && emulation->calls[i].architecture == data->arch)
      return &emulation->calls[i];
  return NULL;
}

static int64_t handle(struct emulation *emulation, const struct seccomp_notif *asked) {
  struct call call = {.emulation = emulation, .id = asked->id, .pid = (pid_t)asked->pid};
  call.what = emulated_of(emulation, &asked->data);
  if (!call.what) return GO_ON;
  memcpy(call.args, asked->data.args, sizeof call.args);
  call.thread = emulation->foreign ? number_in_proc(call.pid) : call.pid;
  return call.what->handle(&call);
}

bool emulation_answer(struct emulation *emulation) {
  struct seccomp_notif asked = {0};
  if (ioctl(emulation->listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) < 0) return errno == ENOENT || errno == EINTR;
  int64_t answer = handle(emulation, &asked);
  if (answer == ANSWERED) return true;
  struct seccomp_notif_resp reply = {.id = asked.id};
  if (answer == GO_ON) reply.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  else if (answer < 0) reply.error = (int32_t)answer;
  else reply.val = answer;
  /* A process that was killed meanwhile does not wait any more. */
  (void)ioctl(emulation->listener, SECCOMP_IOCTL_NOTIF_SEND, &reply);
  return true;
}
