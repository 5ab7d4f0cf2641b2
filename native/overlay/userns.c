#define _GNU_SOURCE
#include "userns.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "idmap.h"

const char *const mode_names[] = {"root", "userns", "single", "none"};

/*
 * A child that made a user namespace and keeps it until it is let go. The namespace is mapped from outside and joined
 * only when that worked: after a refusal this process is what it was before.
 */
struct holder {
  pid_t pid;
  int leash; /* it ends when this is closed */
};

static void let_go(struct holder *holder) {
  close_fd(&holder->leash);
  if (holder->pid > 0) RETRY(waitpid(holder->pid, NULL, 0));
}
#define cleanup_holder __attribute__((cleanup(let_go)))

static void hold(int report, int leash) {
  int code = unshare(CLONE_NEWUSER) ? errno : 0;
  char byte;
  if (write(report, &code, sizeof code) == sizeof code && code == 0) RETRY(read(leash, &byte, 1));
  _exit(0);
}

static int start_holder(struct holder *holder, struct err *err) {
  int report[2], leash[2];
  if (pipe2(report, O_CLOEXEC)) return fail(err, "pipe2");
  cleanup_fd int report_out = report[0], report_in = report[1];
  if (pipe2(leash, O_CLOEXEC)) return fail(err, "pipe2");
  cleanup_fd int leash_out = leash[0], leash_in = leash[1];
  holder->pid = fork();
  if (holder->pid < 0) return fail(err, "fork");
  if (holder->pid == 0) {
    close(leash_in); /* else it would wait for itself */
    hold(report_in, leash_out);
  }
  holder->leash = steal_fd(&leash_in);
  close_fd(&report_in);
  int code = 0;
  if (RETRY(read(report_out, &code, sizeof code)) != sizeof code) code = ECHILD;
  return code ? fail_code(err, code, "unshare") : 0;
}

/* Our own mounts from here on; those of the machine still arrive, ours do not leave. */
static int own_mounts(struct err *err) {
  if (unshare(CLONE_NEWNS)) return fail(err, "unshare");
  /* EINVAL: `/` is no mount, in a chroot; nothing is shared by it then. */
  if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) && errno != EINVAL) return fail(err, "mount");
  return 0;
}

static int join(const struct holder *holder, struct err *err) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/ns/user", holder->pid);
  cleanup_fd int namespace = RETRY(open(path, O_RDONLY | O_CLOEXEC));
  if (namespace < 0) return fail(err, "open '%s'", path);
  if (setns(namespace, CLONE_NEWUSER)) return fail(err, "setns");
  if (setresgid(0, 0, 0) || setresuid(0, 0, 0)) return fail(err, "setresuid");
  return own_mounts(err);
}

static bool reads(const char *path, const char *expected) {
  char text[64];
  return read_text(path, text, sizeof text) == 0 && !strcmp(text, expected);
}

static void say_refused(struct standing *standing, const struct err *err) {
  const char *why = NULL;
  if (reads("/proc/sys/user/max_user_namespaces", "0"))
    why = "are switched off: sudo sysctl -w user.max_user_namespaces=15000";
  else if (reads("/proc/sys/kernel/unprivileged_userns_clone", "0"))
    why = "are switched off for users: sudo sysctl -w kernel.unprivileged_userns_clone=1";
  else if (reads("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"))
    why = "are restricted by AppArmor: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0";
  else if (err->code == ENOSPC || err->code == EUSERS)
    why = "are used up or nested too deeply: raise user.max_user_namespaces";
  if (why) {
    snprintf(standing->reason, sizeof standing->reason, "user namespaces %s", why);
    return;
  }
  snprintf(standing->reason, sizeof standing->reason,
           "user namespaces are refused (%s: %s), by a seccomp profile, a security module or a chroot: "
           "allow unshare and mount, as --security-opt seccomp=unconfined does",
           err->msg, strerror(err->code));
}

typedef int (*mapper)(pid_t pid, const struct id_map *uids, const struct id_map *gids, struct err *err);

static int map_single(pid_t pid, const struct id_map *uids, const struct id_map *gids, struct err *err) {
  return write_id_maps(pid, uids, gids, true, err);
}
static int map_all(pid_t pid, const struct id_map *uids, const struct id_map *gids, struct err *err) {
  return write_id_maps(pid, uids, gids, false, err);
}

/* 0: in the namespace. 1: refused, `err` says where. -1: in it, but without mounts of our own. */
static int try_maps(mapper map, const struct id_map *uids, const struct id_map *gids, struct err *err) {
  cleanup_holder struct holder holder = {.pid = -1, .leash = -1};
  if (start_holder(&holder, err) || map(holder.pid, uids, gids, err)) return 1;
  return join(&holder, err);
}

/* One id: needs neither a program nor a privilege. */
static void take_single(struct standing *standing) {
  struct id_map uid = {.ranges = {{0, standing->uid, 1}}, .length = 1};
  struct id_map gid = {.ranges = {{0, standing->gid, 1}}, .length = 1};
  struct err err;
  standing->mode = MODE_SINGLE;
  if (try_maps(map_single, &uid, &gid, &err) == 0) return;
  standing->mode = MODE_NONE;
  say_refused(standing, &err);
}

static void say_ungranted(struct standing *standing, const char *user) {
  unsigned long start = free_range("/etc/subuid"), gids = free_range("/etc/subgid");
  if (gids > start) start = gids;
  snprintf(standing->reason, sizeof standing->reason,
           "no range of ids is granted to %s in /etc/subuid and /etc/subgid: "
           "sudo usermod --add-subuids %lu-%lu --add-subgids %lu-%lu %s",
           user, start, start + 65535, start, start + 65535, user);
}

static void take_user(struct standing *standing) {
  struct id_map uids = {.ranges = {{0, standing->uid, 1}}, .length = 1};
  struct id_map gids = {.ranges = {{0, standing->gid, 1}}, .length = 1};
  char user[256];
  find_user(standing->uid, user, sizeof user);
  add_granted("/etc/subuid", user, standing->uid, &uids);
  add_granted("/etc/subgid", user, standing->uid, &gids);
  if (uids.length == 1 || gids.length == 1) {
    say_ungranted(standing, *user ? user : "USER");
    return take_single(standing);
  }
  struct err err;
  int result = try_maps(grant_id_maps, &uids, &gids, &err);
  standing->mode = MODE_USERNS;
  if (result == 0) return;
  if (result < 0 || !strcmp(err.msg, "unshare")) {
    standing->mode = MODE_NONE;
    return say_refused(standing, &err);
  }
  if (err.code == ENOENT)
    snprintf(standing->reason, sizeof standing->reason,
             "%s was not found: install uidmap (Debian, Ubuntu) or shadow-utils (Fedora, RHEL)", err.msg);
  else if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
    snprintf(standing->reason, sizeof standing->reason,
             "no_new_privs keeps newuidmap from its privilege: allow privilege escalation for this process");
  else
    snprintf(standing->reason, sizeof standing->reason, "a range of ids was refused: %s", err.msg);
  take_single(standing);
}

/* Root, of the machine or of a container. */
static void take_root(struct standing *standing) {
  struct id_map uids, gids;
  bool maps = read_id_map("/proc/self/uid_map", &uids) == 0 && read_id_map("/proc/self/gid_map", &gids) == 0;
  int namespace = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
  struct err err;
  standing->mode = maps && mapped_ids(&uids) == 1 ? MODE_SINGLE : MODE_ROOT;
  if (own_mounts(&err) == 0) {
    if (namespace >= 0) fcntl(namespace, F_SETFD, 0);
    standing->host_namespace = namespace;
    return;
  }
  close_fd(&namespace);
  /* Root without privileges, as in most containers: what is mapped here, once more, in a namespace of our own. */
  for (int i = 0; maps && i < uids.length; i++) uids.ranges[i].outside = uids.ranges[i].inside;
  for (int i = 0; maps && i < gids.length; i++) gids.ranges[i].outside = gids.ranges[i].inside;
  if (maps && standing->mode == MODE_ROOT && !strcmp(err.msg, "unshare")) {
    snprintf(standing->reason, sizeof standing->reason, "root may not mount here (%s)", strerror(err.code));
    standing->mode = MODE_USERNS;
    if (try_maps(map_all, &uids, &gids, &err) == 0) return;
  }
  take_single(standing);
}

/* "mode:uid:gid" of `bld unshare`. */
static bool take_unshared(const char *unshared, struct standing *standing) {
  char name[8];
  unsigned uid, gid;
  int used = 0;
  if (sscanf(unshared, "%7[a-z]:%u:%u%n", name, &uid, &gid, &used) != 3 || unshared[used]) return false;
  for (enum mode mode = MODE_ROOT; mode <= MODE_NONE; mode++) {
    if (strcmp(name, mode_names[mode])) continue;
    *standing = (struct standing){.mode = mode, .uid = uid, .gid = gid, .host_namespace = -1};
    return true;
  }
  return false;
}

void take_standing(const char *unshared, struct standing *standing) {
  *standing = (struct standing){.uid = geteuid(), .gid = getegid(), .host_namespace = -1};
  /* Inherited from whoever started us, it would make every waitpid fail. */
  signal(SIGCHLD, SIG_DFL);
  if (geteuid() != 0) return take_user(standing);
  if (!unshared || !take_unshared(unshared, standing)) return take_root(standing);
  /* Already in bld's namespaces: no deeper user namespace, but mounts of our own as ever. */
  int namespace = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
  struct err err;
  if (own_mounts(&err)) return close_fd(&namespace);
  if (namespace >= 0) fcntl(namespace, F_SETFD, 0);
  standing->host_namespace = namespace;
}
