/* The ids that processes believe to have. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MAX_GROUPS 64

struct ids {
  uid_t uid, euid, suid, fsuid;
  gid_t gid, egid, sgid, fsgid;
  gid_t groups[MAX_GROUPS];
  size_t group_count;
  bool keeps_capabilities;
};

struct known_process {
  pid_t pid;
  uint64_t started; /* with the pid, its identity */
  struct ids ids;
};

struct id_table {
  int proc;
  struct ids initial;
  struct known_process *items;
  size_t count, room;
};

/* What a thread's process has: its own, else what the nearest known ancestor has, else the initial ids. */
const struct ids *ids_of(struct id_table *table, pid_t thread);
/* For changes: the process is known from now on, and its children keep what they have had so far. NULL: no memory. */
struct ids *ids_to_change(struct id_table *table, pid_t thread);
