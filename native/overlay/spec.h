/* The run spec as src/runtime/wire.ts writes it, parsed in place. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A growing list of strings, NULL-terminated once it has an item. */
struct strings {
  char **items;
  size_t count;
};

struct mount_spec {
  enum { MOUNT_BIND, MOUNT_TMPFS, MOUNT_TEXT } kind;
  char *target;      /* absolute, inside the root file system */
  char *source;      /* a host path, or NULL: then `fd` */
  int fd;            /* made from `source`, a detached mount, before the namespaces are */
  char *propagation; /* NULL: private */
  bool readonly, recursive, nosuid, nodev, noexec, directory;
  char *size, *mode; /* of a tmpfs, as it takes them, or of a text; NULL: its defaults */
  const char *text;  /* of a file that lives as long as the run, in memory alone */
  size_t text_length;
  bool secret; /* the text: a missing place for it is an error, and its stub goes */
  uid_t uid;   /* of the text */
  gid_t gid;
};

struct filter {
  const void *bytes;
  size_t length;
  /* NOTIFY: its listener goes to the emulation; INSTEAD: only where that is not allowed */
  enum { FILTER_PLAIN, FILTER_NOTIFY, FILTER_INSTEAD } kind;
};

struct rlimit_spec {
  int resource;
  uint64_t soft, hard;
};

struct spec {
  int rootfs, owners_log;
  struct strings argv, env;
  char *cwd, *hostname, *domainname, *oom_score_adj;
  uid_t uid;
  gid_t gid;
  gid_t *groups;
  size_t group_count;
  struct mount_spec *mounts;
  size_t mount_count;
  uint64_t capabilities;
  bool no_new_privileges, masked, tty, keep_mount_points;
  bool emulate;            /* there is one id only */
  struct strings emulated; /* calls that come to the first process: see emulate.c */
  bool wait_for_network; /* somebody gives the new network namespace its interface */
  struct filter *filters;
  size_t filter_count;
  struct rlimit_spec *rlimits;
  size_t rlimit_count;
  char *shm_size;
  mode_t umask;
  unsigned long new_namespaces; /* CLONE_NEW* */
  struct strings joined;        /* /proc/PID/ns/KIND of others to enter */
  struct strings cgroups;       /* directories to enter, and to remove after */
};

/* Reads the whole spec; it lives as long as the process. Ends the process when it is malformed. */
struct spec *spec_read(int channel);
