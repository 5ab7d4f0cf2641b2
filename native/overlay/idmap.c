#define _GNU_SOURCE
#include "idmap.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

extern char **environ;

int read_id_map(const char *path, struct id_map *map) {
  char text[4096];
  if (read_text(path, text, sizeof text)) return -1;
  map->length = 0;
  int used = 0;
  for (const char *at = text; map->length < MAX_RANGES; at += used) {
    struct id_range *range = &map->ranges[map->length];
    if (sscanf(at, "%lu %lu %lu%n", &range->inside, &range->outside, &range->count, &used) != 3) break;
    map->length++;
  }
  return 0;
}

unsigned long mapped_ids(const struct id_map *map) {
  unsigned long sum = 0;
  for (int i = 0; i < map->length; i++) sum += map->ranges[i].count;
  return sum;
}

static bool overlaps(const struct id_map *map, unsigned long start, unsigned long count) {
  for (int i = 0; i < map->length; i++) {
    const struct id_range *range = &map->ranges[i];
    if (start < range->outside + range->count && range->outside < start + count) return true;
  }
  return false;
}

/* The next line "who:start:count"; false at the end. */
static bool read_grant(FILE *file, char who[256], struct id_range *range) {
  char line[512];
  while (fgets(line, sizeof line, file))
    if (sscanf(line, "%255[^:]:%lu:%lu", who, &range->outside, &range->count) == 3 && range->count > 0) return true;
  return false;
}

void add_granted(const char *path, const char *user, uid_t uid, struct id_map *map) {
  FILE *file = fopen(path, "re");
  if (!file) return;
  char who[256], number[16];
  snprintf(number, sizeof number, "%u", uid);
  struct id_range range = {.inside = 1};
  while (map->length < MAX_RANGES && read_grant(file, who, &range)) {
    if ((*user == 0 || strcmp(who, user) != 0) && strcmp(who, number) != 0) continue;
    /* The kernel refuses a map that names an id twice: a doubled line must not cost all of it. */
    if (overlaps(map, range.outside, range.count)) continue;
    map->ranges[map->length++] = range;
    range.inside += range.count;
  }
  fclose(file);
}

unsigned long free_range(const char *path) {
  unsigned long start = 100000; /* where the tools of most distributions begin */
  FILE *file = fopen(path, "re");
  if (!file) return start;
  char who[256];
  struct id_range range;
  while (read_grant(file, who, &range))
    if (range.outside + range.count > start) start = range.outside + range.count;
  fclose(file);
  return start;
}

void find_user(uid_t uid, char *name, size_t size) {
  *name = 0;
  const char *told = getenv("USER");
  bool told_is_known = false;
  FILE *file = fopen("/etc/passwd", "re");
  char line[1024];
  while (file && !*name && fgets(line, sizeof line, file)) {
    char login[256];
    unsigned long id;
    if (sscanf(line, "%255[^:]:%*[^:]:%lu:", login, &id) != 2) {
      /* An empty password field is no field to %[. */
      if (sscanf(line, "%255[^:]::%lu:", login, &id) != 2) continue;
    }
    if (told && !strcmp(login, told)) told_is_known = true;
    if (id == uid) snprintf(name, size, "%s", login);
  }
  if (file) fclose(file);
  /* Users of a directory service stand in no file; newuidmap checks the name on its own. */
  if (!*name && told && !told_is_known) snprintf(name, size, "%s", told);
}

static int write_map(pid_t pid, const char *which, const struct id_map *map, struct err *err) {
  char path[64], text[MAX_RANGES * 36];
  size_t at = 0;
  for (int i = 0; i < map->length; i++) {
    const struct id_range *range = &map->ranges[i];
    at += (size_t)snprintf(text + at, sizeof text - at, "%lu %lu %lu\n", range->inside, range->outside, range->count);
    if (at >= sizeof text) return fail_code(err, E2BIG, "write %s", which);
  }
  snprintf(path, sizeof path, "/proc/%d/%s", pid, which);
  return write_text(path, text) ? fail(err, "write %s", which) : 0;
}

int write_id_maps(pid_t pid, const struct id_map *uids, const struct id_map *gids, bool deny_setgroups,
                  struct err *err) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/setgroups", pid);
  if (deny_setgroups && write_text(path, "deny")) return fail(err, "write setgroups");
  return write_map(pid, "uid_map", uids, err) || write_map(pid, "gid_map", gids, err) ? -1 : 0;
}

/* A program by PATH, then in the usual places, which a user's PATH may lack. */
static bool find_program(const char *name, char *path, size_t size) {
  const char *given = getenv("PATH");
  cleanup_free char *places = NULL;
  if (asprintf(&places, "%s:/usr/bin:/bin:/usr/local/bin", given ? given : "") < 0) return false;
  char *rest = places;
  for (const char *place; (place = strsep(&rest, ":"));) {
    if (*place != '/') continue;
    if ((size_t)snprintf(path, size, "%s/%s", place, name) < size && access(path, X_OK) == 0) return true;
  }
  return false;
}

struct program {
  const char *name;
  pid_t pid;
  int output;
};

static int start_program(struct program *program, pid_t pid, const struct id_map *map, struct err *err) {
  char path[4096], numbers[MAX_RANGES * 3 + 1][16];
  char *argv[2 + MAX_RANGES * 3 + 1];
  if (!find_program(program->name, path, sizeof path)) return fail_code(err, ENOENT, "%s", program->name);
  int argc = 0, used = 0;
  argv[argc++] = (char *)program->name;
#define ADD(value)                                                           \
  do {                                                                       \
    snprintf(numbers[used], sizeof numbers[used], "%lu", (unsigned long)(value)); \
    argv[argc++] = numbers[used++];                                          \
  } while (0)
  ADD(pid);
  for (int i = 0; i < map->length; i++) {
    ADD(map->ranges[i].inside);
    ADD(map->ranges[i].outside);
    ADD(map->ranges[i].count);
  }
#undef ADD
  argv[argc] = NULL;

  int ends[2];
  if (pipe2(ends, O_CLOEXEC)) return fail(err, "pipe2");
  cleanup_fd int output = ends[0], input = ends[1];
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input, 1);
  posix_spawn_file_actions_adddup2(&actions, input, 2);
  int code = posix_spawn(&program->pid, path, &actions, NULL, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (code) {
    program->pid = -1;
    return fail_code(err, code, "posix_spawn '" SHOWN "'", path);
  }
  program->output = steal_fd(&output);
  return 0;
}

/* Reaps it; a failure's message is what it said last. */
static int end_program(struct program *program, struct err *err) {
  if (program->pid < 0) return -1;
  cleanup_fd int output = program->output;
  cleanup_bytes struct bytes said = {0};
  read_all(output, &said);
  int status = 0;
  if (RETRY(waitpid(program->pid, &status, 0)) < 0) return fail(err, "waitpid %s", program->name);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return 0;
  size_t len = said.len;
  while (len > 0 && (said.data[len - 1] == '\n' || said.data[len - 1] == ' ')) len--;
  size_t start = len;
  while (start > 0 && said.data[start - 1] != '\n') start--;
  if (len == 0) return fail_code(err, EPERM, "%s failed with status %d", program->name, status);
  return fail_code(err, EPERM, "%.*s", (int)(len - start), said.data + start);
}

int grant_id_maps(pid_t pid, const struct id_map *uids, const struct id_map *gids, struct err *err) {
  /* Side by side: each takes about half a millisecond. */
  struct program for_uids = {.name = "newuidmap", .pid = -1}, for_gids = {.name = "newgidmap", .pid = -1};
  int failed = start_program(&for_uids, pid, uids, err) || start_program(&for_gids, pid, gids, err);
  struct err second;
  if (for_gids.pid >= 0 && end_program(&for_gids, &second)) {
    *err = second;
    failed = 1;
  }
  if (for_uids.pid >= 0 && end_program(&for_uids, &second)) {
    *err = second;
    failed = 1;
  }
  return failed ? -1 : 0;
}
