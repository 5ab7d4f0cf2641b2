#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "addon.h"

/*
 * Starts a program by vfork: Node's own spawn forks, which copies page tables for milliseconds, and loads modules that a
 * short command needs for nothing else. A thread reads what the program says on its channel and waits for its end.
 */
enum { MOST_FDS = 64, CHANNEL = 3 };

struct process {
  pid_t pid;
  int channel;
  pthread_t thread;
  napi_threadsafe_function tell;
};

/* One piece of what was said; `bytes` NULL is the end. */
struct message {
  size_t len;
  char bytes[];
};

/* In JavaScript's thread. */
static void deliver(napi_env env, napi_value callback, void *context, void *data) {
  (void)context;
  struct message *message = data;
  if (env) {
    napi_value argument, receiver;
    napi_get_undefined(env, &receiver);
    if (message) napi_create_buffer_copy(env, message->len, message->bytes, NULL, &argument);
    else napi_get_null(env, &argument);
    napi_call_function(env, receiver, callback, 1, &argument, NULL);
  }
  free(message);
}

static void *listen_to(void *argument) {
  struct process *process = argument;
  char buffer[4096];
  for (;;) {
    ssize_t n = RETRY(read(process->channel, buffer, sizeof buffer));
    if (n <= 0) break;
    struct message *message = malloc(sizeof *message + (size_t)n);
    if (!message) continue;
    message->len = (size_t)n;
    memcpy(message->bytes, buffer, (size_t)n);
    napi_call_threadsafe_function(process->tell, message, napi_tsfn_blocking);
  }
  RETRY(waitpid(process->pid, NULL, 0));
  napi_call_threadsafe_function(process->tell, NULL, napi_tsfn_blocking);
  napi_release_threadsafe_function(process->tell, napi_tsfn_release);
  free(process);
  return NULL;
}

/* The child's descriptor `i` is a copy of fds[i]; -1 is /dev/null. Nothing else is passed on. */
static int spawn_with(const char *program, char *const argv[], const int *fds, int count, pid_t *pid) {
  int high[MOST_FDS], used = 0, error = 0;
  char *const nothing[] = {NULL};
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t all, none;
  sigfillset(&all);
  sigemptyset(&none);
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setsigmask(&attributes, &none);
  for (int i = 0; i < count && !error; i++) {
    if (fds[i] < 0) {
      error = posix_spawn_file_actions_addopen(&actions, i, "/dev/null", O_RDWR, 0);
      continue;
    }
    /* Above all targets first, so that no copy lands on a source that is still needed. */
    int copy = fcntl(fds[i], F_DUPFD_CLOEXEC, MOST_FDS + 1);
    if (copy < 0) error = errno;
    else {
      high[used++] = copy;
      error = posix_spawn_file_actions_adddup2(&actions, copy, i);
    }
  }
  if (!error) error = posix_spawn(pid, program, &actions, &attributes, argv, nothing);
  while (used > 0) close(high[--used]);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return error;
}

static int read_fds(struct call *call, int index, int *fds, int most) {
  uint32_t count = 0;
  if (napi_get_array_length(call->env, call->argv[index], &count) != napi_ok || count > (uint32_t)most) {
    wrong_argument(call, EINVAL, index);
    return 0;
  }
  for (uint32_t i = 0; i < count; i++) {
    struct call element = {.env = call->env};
    napi_get_element(call->env, call->argv[index], i, &element.argv[0]);
    fds[i] = (int)number_at(&element, 0);
    if (element.err.code) call->err = element.err;
  }
  return (int)count;
}

/* Runs the thread; whatever fails leaves no process. */
static int watch(napi_env env, napi_value callback, struct process *process) {
  napi_value name;
  napi_create_string_utf8(env, "bld process", NAPI_AUTO_LENGTH, &name);
  if (napi_create_threadsafe_function(env, callback, NULL, name, 0, 1, NULL, NULL, NULL, deliver, &process->tell) != napi_ok)
    return ENOMEM;
  int error = pthread_create(&process->thread, NULL, listen_to, process);
  if (error) napi_release_threadsafe_function(process->tell, napi_tsfn_abort);
  else pthread_detach(process->thread);
  return error;
}

/* program, its one word, the descriptors of 0, 1, 2 and of 4 on (the channel is 3), callback → pid, and the channel */
static napi_value js_start_process(struct call *call) {
  char program[PATH_MAX], word[PATH_MAX];
  int fds[MOST_FDS], pair[2];
  text_at(call, 0, program);
  text_at(call, 1, word);
  int count = read_fds(call, 2, fds + 1, MOST_FDS - 1);
  if (call->err.code) return NULL;
  memmove(fds, fds + 1, CHANNEL * sizeof *fds);
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
    fail(&call->err, "socketpair");
    return NULL;
  }
  fds[CHANNEL] = pair[1];
  struct process *process = calloc(1, sizeof *process);
  char *const argv[] = {program, word, NULL};
  int error = process ? spawn_with(program, argv, fds, count + 1, &process->pid) : ENOMEM;
  close(pair[1]);
  if (!error) {
    pid_t pid = process->pid;
    process->channel = pair[0];
    error = watch(call->env, call->argv[3], process);
    if (!error) {
      napi_value result, value;
      napi_create_array_with_length(call->env, 2, &result);
      napi_create_int32(call->env, pid, &value);
      napi_set_element(call->env, result, 0, value);
      napi_create_int32(call->env, pair[0], &value);
      napi_set_element(call->env, result, 1, value);
      return result;
    }
    kill(pid, SIGKILL);
    RETRY(waitpid(pid, NULL, 0));
  }
  close(pair[0]);
  free(process);
  fail_code(&call->err, error, "spawn '" SHOWN "'", program);
  return NULL;
}

/* code: ends the process at once. Node would take itself apart first, for milliseconds; the kernel does it anyway. */
static napi_value js_exit(struct call *call) {
  int code = (int)number_at(call, 0);
  if (!call->err.code) _exit(code);
  return NULL;
}

const struct export process_exports[] = {{"startProcess", js_start_process}, {"exit", js_exit}, {NULL, NULL}};
