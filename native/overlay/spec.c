#define _GNU_SOURCE
#include "spec.h"

#include <sched.h>
#include <string.h>
#include <sys/socket.h>

#include "report.h"
#include "util.h"

/* Larger than any argv and environment that execve takes. */
#define LARGEST_SPEC (64u << 20)

static void *checked(void *memory) {
  if (!memory) die("spec", "out of memory");
  return memory;
}

/* A new zeroed item at the end of a list. */
#define APPEND(list, count)                                                          \
  ({                                                                                 \
    (list) = checked(reallocarray((list), (count) + 1, sizeof *(list)));             \
    memset((list) + (count), 0, sizeof *(list));                                     \
    (list) + (count)++;                                                              \
  })

static void add_string(struct strings *list, char *text) {
  list->items = checked(reallocarray(list->items, list->count + 2, sizeof *list->items));
  list->items[list->count++] = text;
  list->items[list->count] = NULL;
}

static uint64_t number(const char *text) {
  char *end;
  errno = 0;
  uint64_t value = strtoull(text, &end, 10);
  if (errno || *end || end == text) {
    errno = EINVAL;
    die("spec", "malformed number '%s'", text);
  }
  return value;
}

static bool set_mount(struct spec *spec, const char *key, char *value, size_t length) {
  if (strncmp(key, "mount.", 6) != 0) return false;
  key += 6;
  if (strcmp(key, "target") == 0) {
    struct mount_spec *mount = APPEND(spec->mounts, spec->mount_count);
    mount->target = value;
    mount->fd = -1;
    return true;
  }
  if (spec->mount_count == 0) return false;
  struct mount_spec *mount = &spec->mounts[spec->mount_count - 1];
  if (strcmp(key, "source") == 0) mount->source = value;
  else if (strcmp(key, "fd") == 0) mount->fd = (int)number(value);
  else if (strcmp(key, "tmpfs") == 0) mount->kind = MOUNT_TMPFS;
  else if (strcmp(key, "text") == 0) {
    mount->kind = MOUNT_TEXT;
    mount->text = value;
    mount->text_length = length;
  } else if (strcmp(key, "size") == 0) mount->size = value;
  else if (strcmp(key, "mode") == 0) mount->mode = value;
  else if (strcmp(key, "uid") == 0) mount->uid = (uid_t)number(value);
  else if (strcmp(key, "gid") == 0) mount->gid = (gid_t)number(value);
  else if (strcmp(key, "secret") == 0) mount->secret = true;
  else if (strcmp(key, "propagation") == 0) mount->propagation = value;
  else if (strcmp(key, "readonly") == 0) mount->readonly = true;
  else if (strcmp(key, "recursive") == 0) mount->recursive = true;
  else if (strcmp(key, "nosuid") == 0) mount->nosuid = true;
  else if (strcmp(key, "nodev") == 0) mount->nodev = true;
  else if (strcmp(key, "noexec") == 0) mount->noexec = true;
  else return false;
  return true;
}

static bool set_flag(struct spec *spec, const char *key) {
  if (strcmp(key, "noNewPrivileges") == 0) spec->no_new_privileges = true;
  else if (strcmp(key, "masked") == 0) spec->masked = true;
  else if (strcmp(key, "tty") == 0) spec->tty = true;
  else if (strcmp(key, "emulate") == 0) spec->emulate = true;
  else if (strcmp(key, "keepMountPoints") == 0) spec->keep_mount_points = true;
  else if (strcmp(key, "waitForNetwork") == 0) spec->wait_for_network = true;
  else return false;
  return true;
}

static bool set_namespace(struct spec *spec, const char *kind) {
  static const struct {
    const char *kind;
    unsigned long flag;
  } kinds[] = {{"net", CLONE_NEWNET}, {"pid", CLONE_NEWPID}, {"ipc", CLONE_NEWIPC},
               {"uts", CLONE_NEWUTS}, {"cgroup", CLONE_NEWCGROUP}};
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    if (strcmp(kind, kinds[i].kind) != 0) continue;
    spec->new_namespaces |= kinds[i].flag;
    return true;
  }
  return false;
}

static void add_filter(struct spec *spec, int kind, const void *bytes, size_t length) {
  struct filter *filter = APPEND(spec->filters, spec->filter_count);
  filter->kind = kind;
  filter->bytes = bytes;
  filter->length = length;
}

static void set(struct spec *spec, const char *key, char *value, size_t length) {
  if (strcmp(key, "argv") == 0) add_string(&spec->argv, value);
  else if (strcmp(key, "env") == 0) add_string(&spec->env, value);
  else if (strcmp(key, "rootfs") == 0) spec->rootfs = (int)number(value);
  else if (strcmp(key, "ownersLog") == 0) spec->owners_log = (int)number(value);
  else if (strcmp(key, "cwd") == 0) spec->cwd = value;
  else if (strcmp(key, "hostname") == 0) spec->hostname = value;
  else if (strcmp(key, "domainname") == 0) spec->domainname = value;
  else if (strcmp(key, "oomScoreAdj") == 0) spec->oom_score_adj = value;
  else if (strcmp(key, "uid") == 0) spec->uid = (uid_t)number(value);
  else if (strcmp(key, "gid") == 0) spec->gid = (gid_t)number(value);
  else if (strcmp(key, "group") == 0) *APPEND(spec->groups, spec->group_count) = (gid_t)number(value);
  else if (strcmp(key, "capabilities") == 0) spec->capabilities = number(value);
  else if (strcmp(key, "shmSize") == 0) spec->shm_size = value;
  else if (strcmp(key, "umask") == 0) spec->umask = (mode_t)number(value);
  else if (strcmp(key, "new") == 0 && set_namespace(spec, value)) return;
  else if (strcmp(key, "join") == 0) add_string(&spec->joined, value);
  else if (strcmp(key, "cgroup") == 0) add_string(&spec->cgroups, value);
  else if (strcmp(key, "emulated") == 0) add_string(&spec->emulated, value);
  else if (strcmp(key, "filter") == 0) add_filter(spec, FILTER_PLAIN, value, length);
  else if (strcmp(key, "notifyFilter") == 0) add_filter(spec, FILTER_NOTIFY, value, length);
  else if (strcmp(key, "insteadFilter") == 0) add_filter(spec, FILTER_INSTEAD, value, length);
  else if (strcmp(key, "rlimit") == 0)
    APPEND(spec->rlimits, spec->rlimit_count)->resource = (int)number(value);
  else if (strcmp(key, "rlimit.soft") == 0 && spec->rlimit_count)
    spec->rlimits[spec->rlimit_count - 1].soft = number(value);
  else if (strcmp(key, "rlimit.hard") == 0 && spec->rlimit_count)
    spec->rlimits[spec->rlimit_count - 1].hard = number(value);
  else if (!set_flag(spec, key) && !set_mount(spec, key, value, length)) {
    errno = EINVAL;
    die("spec", "unknown key '%s': bld-helper is not of this bld's version", key);
  }
}

static void receive(int channel, void *to, size_t length) {
  for (char *at = to; length > 0;) {
    ssize_t n = RETRY(recv(channel, at, length, 0));
    if (n <= 0) {
      if (n == 0) errno = EPIPE;
      die("spec", "reading the run spec");
    }
    at += n;
    length -= (size_t)n;
  }
}

struct spec *spec_read(int channel) {
  uint32_t total;
  receive(channel, &total, sizeof total);
  errno = EINVAL;
  if (total > LARGEST_SPEC) die("spec", "the run spec has %u bytes", total);
  char *bytes = checked(malloc((size_t)total + 1));
  receive(channel, bytes, total);

  struct spec *spec = checked(calloc(1, sizeof *spec));
  spec->rootfs = spec->owners_log = -1;
  for (size_t at = 0; at < total;) {
    uint32_t lengths[2];
    if (total - at < sizeof lengths) break;
    memcpy(lengths, bytes + at, sizeof lengths);
    at += sizeof lengths;
    size_t left = total - at;
    errno = EINVAL;
    if (left < 2 || lengths[0] > left - 2 || lengths[1] > left - 2 - lengths[0])
      die("spec", "a record leaves the run spec");
    char *key = bytes + at, *value = key + lengths[0] + 1;
    at += (size_t)lengths[0] + lengths[1] + 2;
    if (key[lengths[0]] || value[lengths[1]]) die("spec", "a record has no end");
    set(spec, key, value, lengths[1]);
  }
  errno = EINVAL;
  if (!spec->argv.count || !spec->cwd || !spec->hostname || !spec->shm_size || spec->rootfs < 0)
    die("spec", "the run spec is not complete");
  if (!spec->env.count) spec->env.items = checked(calloc(1, sizeof *spec->env.items));
  return spec;
}
