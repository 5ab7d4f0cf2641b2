/*
 * Root without other ids. In a user namespace with one id the kernel refuses every owner but that one, so the calls
 * about ids and owners come to the container's first process, by seccomp's user notification. It keeps the ids that
 * processes believe to have, and owners and devices as records that the layers room reads (src/layers/records.ts):
 *   user.bld.owner   uid:gid, on files and directories
 *   user.bld.device  c:major:minor or b:major:minor, on an empty regular file
 *   the owners log   ino TAB uid TAB gid TAB path (%-escaped) LF, for what carries no attribute
 */
#pragma once

#include <limits.h>
#include <linux/seccomp.h>

#include "ids.h"
#include "spec.h"

struct emulation {
  int listener, owners_log;
  int proc, root; /* /proc and / of the container */
  bool other_roots; /* a process may have another root than the container's */
  bool foreign;   /* /proc numbers processes of an outer namespace */
  struct id_table ids;
  struct emulated *calls;
  size_t call_count;
};

/* A system call that waits for its answer. */
struct call {
  struct emulation *emulation;
  const struct emulated *what;
  uint64_t id;
  pid_t pid, thread; /* of the calling thread: its number here, and in /proc */
  uint64_t args[6];
};

/* Answers of handlers besides a value and -errno: the kernel goes on with the call; the answer is sent already. */
#define GO_ON INT64_MIN
#define ANSWERED (INT64_MIN + 1)

typedef int64_t (*handler)(struct call *call);

/* One number of one architecture. `narrow`: ids have 16 bits; `wide`: a 64-bit one, with this program's structures. */
struct emulated {
  uint32_t architecture;
  int number;
  bool narrow, wide;
  handler handle;
};

/* Called by the first process, once it is in the container. The listener comes later. */
void emulation_init(struct emulation *emulation, const struct spec *spec);
/* When the listener is there. */
void emulation_begin(struct emulation *emulation);
/* Answers one call; false when no process is left that could call. */
bool emulation_answer(struct emulation *emulation);

/* The caller's memory. -1 and errno. */
int read_memory(const struct call *call, uint64_t address, void *to, size_t length);
int write_memory(const struct call *call, uint64_t address, const void *from, size_t length);
int read_path(const struct call *call, uint64_t address, char to[PATH_MAX]);
/* The call is still waiting: what was read of its process belongs to it. */
bool still_waiting(const struct call *call);

/* The handlers of emulate-ids.c, emulate-files.c and emulate-stat.c, by the names of their calls. */
struct named_handler {
  const char *name;
  handler handle;
  bool sixteen; /* 32-bit architectures have an older form with 16-bit ids under this name, and the other with "32" */
};
extern const struct named_handler id_handlers[], file_handlers[], stat_handlers[]; /* end with a NULL name */
