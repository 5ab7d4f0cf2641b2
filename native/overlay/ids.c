#define _GNU_SOURCE
#include "ids.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "util.h"

#define MAX_ANCESTORS 64

struct process {
  pid_t pid, parent;
  uint64_t started;
};

static bool read_proc(const struct id_table *table, const char *path, char *text, size_t size) {
  cleanup_fd int fd = RETRY(openat(table->proc, path, O_RDONLY | O_CLOEXEC));
  ssize_t n = fd < 0 ? -1 : RETRY(read(fd, text, size - 1));
  if (n < 0) return false;
  text[n] = 0;
  return true;
}

static pid_t process_of(const struct id_table *table, pid_t thread) {
  char path[32], text[2048];
  snprintf(path, sizeof path, "%d/status", (int)thread);
  if (!read_proc(table, path, text, sizeof text)) return -1;
  const char *at = strstr(text, "\nTgid:");
  return at ? (pid_t)atoi(at + 6) : -1;
}

static bool look_at(const struct id_table *table, pid_t pid, struct process *process) {
  char path[32], text[1024];
  snprintf(path, sizeof path, "%d/stat", (int)pid);
  if (!read_proc(table, path, text, sizeof text)) return false;
  /* The name may hold anything, but no later field a parenthesis. */
  char *at = strrchr(text, ')');
  int parent;
  unsigned long long started;
  if (!at || sscanf(at + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
                    &parent, &started) != 2)
    return false;
  *process = (struct process){pid, parent, started};
  return true;
}

static struct known_process *find(struct id_table *table, const struct process *process) {
  for (size_t i = 0; i < table->count; i++) {
    struct known_process *known = &table->items[i];
    if (known->pid != process->pid) continue;
    if (known->started == process->started) return known;
    *known = table->items[--table->count]; /* the pid is another's now */
    return NULL;
  }
  return NULL;
}

/* Room comes from processes that are no more, before it comes from the heap. */
static struct known_process *add(struct id_table *table, const struct process *process, const struct ids *ids) {
  if (table->count == table->room) {
    for (size_t i = table->count; i-- > 0;) {
      struct process now;
      if (!look_at(table, table->items[i].pid, &now) || now.started != table->items[i].started)
        table->items[i] = table->items[--table->count];
    }
  }
  if (table->count == table->room) {
    size_t room = table->room ? table->room * 2 : 64;
    struct known_process *items = reallocarray(table->items, room, sizeof *items);
    if (!items) return NULL;
    table->items = items;
    table->room = room;
  }
  struct known_process *added = &table->items[table->count++];
  *added = (struct known_process){process->pid, process->started, *ids};
  return added;
}

static const struct ids *inherited(struct id_table *table, struct process process) {
  for (int i = 0; i < MAX_ANCESTORS; i++) {
    const struct known_process *known = find(table, &process);
    if (known) return &known->ids;
    if (process.parent <= 1 || !look_at(table, process.parent, &process)) break;
  }
  return &table->initial;
}

const struct ids *ids_of(struct id_table *table, pid_t thread) {
  if (table->count == 0) return &table->initial; /* nobody has changed anything */
  struct process process;
  pid_t pid = process_of(table, thread);
  if (pid < 0 || !look_at(table, pid, &process)) return &table->initial;
  return inherited(table, process);
}

/* Unknown children of a process that changes: they were made before, and have what it had. */
static void settle_children(struct id_table *table, pid_t pid, const struct ids *ids) {
  char path[64], text[4096], *save = NULL;
  snprintf(path, sizeof path, "%d/task/%d/children", (int)pid, (int)pid);
  if (!read_proc(table, path, text, sizeof text)) return;
  for (char *word = strtok_r(text, " \n", &save); word; word = strtok_r(NULL, " \n", &save)) {
    struct process child;
    if (look_at(table, (pid_t)atoi(word), &child) && !find(table, &child)) (void)add(table, &child, ids);
  }
}

struct ids *ids_to_change(struct id_table *table, pid_t thread) {
  struct process process;
  pid_t pid = process_of(table, thread);
  if (pid < 0 || !look_at(table, pid, &process)) return NULL;
  struct ids before = *inherited(table, process);
  settle_children(table, pid, &before);
  struct known_process *known = find(table, &process);
  if (!known) known = add(table, &process, &before);
  return known ? &known->ids : NULL;
}
