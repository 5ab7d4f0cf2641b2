/* The namespaces that bld works in: the best rung of the ladder that this machine allows. */
#pragma once

#include <sys/types.h>

#include "util.h"

enum mode { MODE_ROOT, MODE_USERNS, MODE_SINGLE, MODE_NONE };

/* As src/native/environment.ts spells them. */
extern const char *const mode_names[];

struct standing {
  enum mode mode;
  uid_t uid; /* the person's, outside of any namespace that bld made */
  gid_t gid;
  int host_namespace; /* the mount namespace that bld was started in, open across exec, or -1 */
  char reason[512];   /* why a better mode was refused, with the way out; "" if none was */
};

/*
 * Brings this process (its only thread) into the best namespaces and tells what it got. Never fails: a refusal leaves
 * the process as it was and takes the next rung. `unshared` is what `bld unshare` gave its child, or NULL.
 */
void take_standing(const char *unshared, struct standing *standing);
