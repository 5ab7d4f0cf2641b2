/* Which ids a user namespace maps, and who may say so. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "util.h"

enum { MAX_RANGES = 64 };

struct id_map {
  struct id_range {
    unsigned long inside, outside, count;
  } ranges[MAX_RANGES];
  int length;
};

/* /proc/self/uid_map or gid_map; -1 and errno. */
int read_id_map(const char *path, struct id_map *map);
unsigned long mapped_ids(const struct id_map *map);

/* Appends the ranges that `path` (/etc/subuid, /etc/subgid) grants, from inside id 1 on; none is no failure. */
void add_granted(const char *path, const char *user, uid_t uid, struct id_map *map);
/* Where 65536 ids are free for a new line of `path`. */
unsigned long free_range(const char *path);
/* The login name of `uid` by /etc/passwd, or $USER if that file knows neither; "" if unknown. */
void find_user(uid_t uid, char *name, size_t size);

/* Writes the maps of `pid` ourselves: needs no program, and for more than one id privileges. */
int write_id_maps(pid_t pid, const struct id_map *uids, const struct id_map *gids, bool deny_setgroups,
                  struct err *err);
/* Lets newuidmap and newgidmap write them; `err->msg` holds their own words. */
int grant_id_maps(pid_t pid, const struct id_map *uids, const struct id_map *gids, struct err *err);
