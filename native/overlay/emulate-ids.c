/* Ids: the rules of setuid(2) and its family, for the ids that a process believes to have. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "objects.h"

static const struct ids *own(struct call *call) {
  return ids_of(&call->emulation->ids, call->thread);
}

static bool privileged(const struct ids *ids) {
  return ids->euid == 0 || ids->keeps_capabilities;
}
static bool has_uid(const struct ids *ids, uid_t id) {
  return id == KEEP_ID || id == ids->uid || id == ids->euid || id == ids->suid || privileged(ids);
}
static bool has_gid(const struct ids *ids, gid_t id) {
  return id == KEEP_ID || id == ids->gid || id == ids->egid || id == ids->sgid || privileged(ids);
}

/* Every change goes through here: KEEP_ID leaves a field; the file system's id follows the effective one. */
static int64_t change_uids(struct call *call, uid_t uid, uid_t euid, uid_t suid) {
  const struct ids *now = own(call);
  if (!has_uid(now, uid) || !has_uid(now, euid) || !has_uid(now, suid)) return -EPERM;
  struct ids *ids = ids_to_change(&call->emulation->ids, call->thread);
  if (!ids) return -ENOMEM;
  if (uid != KEEP_ID) ids->uid = uid;
  if (euid != KEEP_ID) ids->euid = euid;
  if (suid != KEEP_ID) ids->suid = suid;
  ids->fsuid = ids->euid;
  return 0;
}

static int64_t change_gids(struct call *call, gid_t gid, gid_t egid, gid_t sgid) {
  const struct ids *now = own(call);
  if (!has_gid(now, gid) || !has_gid(now, egid) || !has_gid(now, sgid)) return -EPERM;
  struct ids *ids = ids_to_change(&call->emulation->ids, call->thread);
  if (!ids) return -ENOMEM;
  if (gid != KEEP_ID) ids->gid = gid;
  if (egid != KEEP_ID) ids->egid = egid;
  if (sgid != KEEP_ID) ids->sgid = sgid;
  ids->fsgid = ids->egid;
  return 0;
}

static int64_t do_setuid(struct call *call) {
  uid_t id = id_argument(call, 0);
  if (id == KEEP_ID) return -EINVAL;
  const struct ids *now = own(call);
  if (privileged(now)) return change_uids(call, id, id, id);
  return id == now->uid || id == now->suid ? change_uids(call, KEEP_ID, id, KEEP_ID) : -EPERM;
}

static int64_t do_setgid(struct call *call) {
  gid_t id = id_argument(call, 0);
  if (id == KEEP_ID) return -EINVAL;
  const struct ids *now = own(call);
  if (privileged(now)) return change_gids(call, id, id, id);
  return id == now->gid || id == now->sgid ? change_gids(call, KEEP_ID, id, KEEP_ID) : -EPERM;
}

static int64_t do_setreuid(struct call *call) {
  uid_t uid = id_argument(call, 0), euid = id_argument(call, 1);
  /* The saved id follows when the real one is set, or the effective one to another than the real one. */
  bool saved = uid != KEEP_ID || (euid != KEEP_ID && euid != own(call)->uid);
  return change_uids(call, uid, euid, saved ? (euid != KEEP_ID ? euid : own(call)->euid) : KEEP_ID);
}

static int64_t do_setregid(struct call *call) {
  gid_t gid = id_argument(call, 0), egid = id_argument(call, 1);
  bool saved = gid != KEEP_ID || (egid != KEEP_ID && egid != own(call)->gid);
  return change_gids(call, gid, egid, saved ? (egid != KEEP_ID ? egid : own(call)->egid) : KEEP_ID);
}

static int64_t do_setresuid(struct call *call) {
  return change_uids(call, id_argument(call, 0), id_argument(call, 1), id_argument(call, 2));
}

static int64_t do_setresgid(struct call *call) {
  return change_gids(call, id_argument(call, 0), id_argument(call, 1), id_argument(call, 2));
}

/* They return the id before, whether or not they set it. */
static int64_t do_setfsuid(struct call *call) {
  uid_t id = id_argument(call, 0), before = own(call)->fsuid;
  if (id == KEEP_ID || id == before || !(has_uid(own(call), id))) return before;
  struct ids *ids = ids_to_change(&call->emulation->ids, call->thread);
  if (ids) ids->fsuid = id;
  return before;
}

static int64_t do_setfsgid(struct call *call) {
  gid_t id = id_argument(call, 0), before = own(call)->fsgid;
  if (id == KEEP_ID || id == before || !(has_gid(own(call), id))) return before;
  struct ids *ids = ids_to_change(&call->emulation->ids, call->thread);
  if (ids) ids->fsgid = id;
  return before;
}

static int64_t do_setgroups(struct call *call) {
  size_t count = (size_t)call->args[0], size = call->what->narrow ? 2 : 4;
  gid_t groups[MAX_GROUPS];
  uint16_t narrow[MAX_GROUPS];
  if (!privileged(own(call))) return -EPERM;
  if (count > MAX_GROUPS) return -EINVAL;
  if (read_memory(call, call->args[1], size == 2 ? (void *)narrow : groups, count * size) < 0) return -EFAULT;
  if (size == 2)
    for (size_t i = 0; i < count; i++) groups[i] = narrow[i];
  if (!still_waiting(call)) return -ESRCH;
  struct ids *ids = ids_to_change(&call->emulation->ids, call->thread);
  if (!ids) return -ENOMEM;
  memcpy(ids->groups, groups, count * sizeof *groups);
  ids->group_count = count;
  return 0;
}

static int64_t put_ids(const struct call *call, uint64_t address, const uint32_t *ids, size_t count) {
  uint16_t narrow[MAX_GROUPS];
  if (!call->what->narrow) return write_memory(call, address, ids, count * sizeof *ids) < 0 ? -EFAULT : 0;
  for (size_t i = 0; i < count; i++) narrow[i] = (uint16_t)ids[i];
  return write_memory(call, address, narrow, count * sizeof *narrow) < 0 ? -EFAULT : 0;
}

static int64_t do_getgroups(struct call *call) {
  struct ids ids = *own(call);
  int room = (int)call->args[0];
  if (room == 0) return (int64_t)ids.group_count;
  if (room < 0 || (size_t)room < ids.group_count) return -EINVAL;
  int64_t error = put_ids(call, call->args[1], ids.groups, ids.group_count);
  return error ? error : (int64_t)ids.group_count;
}

static int64_t put_three(const struct call *call, uint32_t real, uint32_t effective, uint32_t saved) {
  const uint32_t values[3] = {real, effective, saved};
  for (int i = 0; i < 3; i++) {
    int64_t error = put_ids(call, call->args[i], &values[i], 1);
    if (error) return error;
  }
  return 0;
}

static int64_t do_getresuid(struct call *call) {
  struct ids ids = *own(call);
  return put_three(call, ids.uid, ids.euid, ids.suid);
}
static int64_t do_getresgid(struct call *call) {
  struct ids ids = *own(call);
  return put_three(call, ids.gid, ids.egid, ids.sgid);
}
static int64_t do_getuid(struct call *call) {
  return own(call)->uid;
}
static int64_t do_geteuid(struct call *call) {
  return own(call)->euid;
}
static int64_t do_getgid(struct call *call) {
  return own(call)->gid;
}
static int64_t do_getegid(struct call *call) {
  return own(call)->egid;
}

/* PR_SET_KEEPCAPS, which setpriv(1) relies on: ids may still be changed when root's is gone. */
static int64_t do_prctl(struct call *call) {
  if (!privileged(own(call))) return GO_ON;
  struct ids *ids = ids_to_change(&call->emulation->ids, call->thread);
  if (ids) ids->keeps_capabilities = call->args[1] == 1;
  return GO_ON;
}

const struct named_handler id_handlers[] = {
    {"setuid", do_setuid, true},       {"setgid", do_setgid, true},       {"setreuid", do_setreuid, true},
    {"setregid", do_setregid, true},   {"setresuid", do_setresuid, true}, {"setresgid", do_setresgid, true},
    {"setfsuid", do_setfsuid, true},   {"setfsgid", do_setfsgid, true},   {"setgroups", do_setgroups, true},
    {"getgroups", do_getgroups, true}, {"getresuid", do_getresuid, true}, {"getresgid", do_getresgid, true},
    {"getuid", do_getuid, true},       {"geteuid", do_geteuid, true},     {"getgid", do_getgid, true},
    {"getegid", do_getegid, true},     {"prctl", do_prctl, false},        {NULL, NULL, false},
};
