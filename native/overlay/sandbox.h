/*
 * One run, three processes:
 *   the helper    in bld's namespaces: waits, copies the terminal, forwards signals, cleans up
 *   the first     pid 1 of the new namespaces: mounts, pivots, reaps; its end is the end of all inside
 *   the command
 * The kernel ends the first with the helper (PDEATHSIG), and the helper ends when bld hangs up the channel.
 */
#pragma once

#include "rootfs.h"
#include "spec.h"

/* Memory that the first process shares with the helper. */
struct shared {
  bool ended;
  int status; /* of the command, as wait(2) gives it; when `ended` */
  struct stubs stubs;
};

/* What goes between the processes of a run, a byte each, with a descriptor where one is named. */
#define MESSAGE_GO 'g'       /* helper → first: limits and network are there */
#define MESSAGE_TERMINAL 't' /* first → helper: the pty's master */
#define MESSAGE_LISTENER 'l' /* command → first: the seccomp listener */

/* From the helper to a first process that is no pid 1: end everything. */
#define SIGNAL_KILL_ALL SIGRTMIN

int send_message(int socket, char kind, int fd);
/* The kind; -1 at the end. `fd` is -1 where none came. */
int receive_message(int socket, int *fd);

/* `bld-helper run`: returns the helper's exit code. */
int sandbox_run(int channel);
void first_process(const struct spec *spec, struct shared *shared, int helper) __attribute__((noreturn));
/* `first`: where the listener of the emulation goes. */
void run_command(const struct spec *spec, int first, const char *terminal) __attribute__((noreturn));
