/* Files of a caller, and the records on them. */
#pragma once

#include <sys/stat.h>

#include "emulate.h"

#define OWNER_RECORD "user.bld.owner"
#define DEVICE_RECORD "user.bld.device"
#define KEEP_ID ((uid_t)-1)

struct owner {
  uid_t uid;
  gid_t gid;
};

/* All O_PATH; -1 and errno. `path` is changed. */
int open_fd(const struct call *call, int fd);
int open_object(const struct call *call, int dir, char path[PATH_MAX], int flags);
/* The directory of the last component, whose name goes to `name`. */
int open_parent(const struct call *call, int dir, char path[PATH_MAX], char name[NAME_MAX + 1]);

/* The name by which *xattr calls reach what is open by O_PATH. */
void show_path(int fd, char path[32]);

/* False, and root, when there is no record. */
bool read_owner(int fd, struct owner *owner);
/* 0 or -errno. */
int64_t record_owner(const struct call *call, int fd, struct owner owner);

/* An id argument; 16-bit ones have their own "leave it", which becomes KEEP_ID. */
static inline uid_t id_argument(const struct call *call, int index) {
  uint32_t value = (uint32_t)call->args[index];
  if (!call->what->narrow) return value;
  return (value & 0xffff) == 0xffff ? KEEP_ID : value & 0xffff;
}
