/* bin/bld: finds Node, takes the best namespaces there are, and becomes Node running dist/main.js. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>

#include "userns.h"

extern char **environ;

/* bld's own failure, as Buildah's. */
enum { EXIT_BLD = 125 };

/* Without SIGUSR1 nobody on this machine can open a debugger into bld. No V8 flag was found to make it start faster. */
static const char *const node_flags[] = {"--disable-warning=ExperimentalWarning", "--disable-sigusr1"};
enum { NODE_FLAGS = sizeof node_flags / sizeof *node_flags };

/*
 * What would change how Node runs bld, or who may listen to it. Other NODE_* variables (NODE_ENV, NODE_EXTRA_CA_CERTS)
 * pass; so do the loader's, which are the user's own business.
 */
static const char *const dropped[] = {
    "NODE_CHANNEL_FD", "NODE_CHANNEL_SERIALIZATION_MODE", "NODE_COMPILE_CACHE", "NODE_COMPILE_CACHE_PORTABLE",
    "NODE_DEBUG", "NODE_DEBUG_NATIVE", "NODE_DISABLE_COMPILE_CACHE", "NODE_ICU_DATA", "NODE_NO_WARNINGS",
    "NODE_OPTIONS", "NODE_PATH", "NODE_PENDING_DEPRECATION", "NODE_PENDING_PIPE_INSTANCES",
    "NODE_PRESERVE_SYMLINKS", "NODE_PRESERVE_SYMLINKS_MAIN", "NODE_REDIRECT_WARNINGS", "NODE_REPL_EXTERNAL_MODULE",
    "NODE_TEST_CONTEXT", "NODE_TLS_REJECT_UNAUTHORIZED", "NODE_UNIQUE_ID", "NODE_USE_ENV_PROXY",
    "NODE_USE_SYSTEM_CA", "NODE_V8_COVERAGE",
};

static int stop(const char *message, const char *hint) {
  fprintf(stderr, "Error: %s (E_ENVIRONMENT)\n%s\n", message, hint);
  return EXIT_BLD;
}

/* A descriptor that Node opens must not become our stdout. */
static void fill_standard_streams(void) {
  for (int fd = 0; fd <= 2; fd++)
    if (fcntl(fd, F_GETFD) < 0) open("/dev/null", O_RDWR);
}

/* The package's directory: two above the real path of this program. */
static bool find_package(char root[PATH_MAX]) {
  ssize_t len = readlink("/proc/self/exe", root, PATH_MAX - 1);
  if (len >= 0) root[len] = 0;
  else if (!realpath((const char *)getauxval(AT_EXECFN), root)) return false;
  for (int i = 0; i < 2; i++) {
    char *slash = strrchr(root, '/');
    if (!slash) return false;
    *slash = 0;
  }
  return true;
}

static bool is_program(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static bool find_node(const char *root, char node[PATH_MAX]) {
  char above[PATH_MAX];
  snprintf(above, sizeof above, "%s", root);
  for (char *slash = above; slash;) {
    int len = snprintf(node, PATH_MAX, "%s/node_modules/node/bin/node", above);
    if (len < PATH_MAX && is_program(node)) return true;
    slash = strrchr(above, '/');
    if (slash) *slash = 0;
  }
  const char *path = getenv("PATH");
  cleanup_free char *places = path ? strdup(path) : NULL;
  char *rest = places;
  for (const char *place; (place = strsep(&rest, ":"));) {
    int len = snprintf(node, PATH_MAX, "%s/node", *place ? place : ".");
    if (len < PATH_MAX && is_program(node)) return true;
  }
  return false;
}

static bool is_named(const char *variable, const char *name) {
  size_t len = strlen(name);
  return !strncmp(variable, name, len) && variable[len] == '=';
}

static bool is_dropped(const char *variable) {
  if (!strncmp(variable, "_BLD_", 5)) return true;
  if (strncmp(variable, "NODE_", 5) != 0) return false;
  for (size_t i = 0; i < sizeof dropped / sizeof *dropped; i++)
    if (is_named(variable, dropped[i])) return true;
  return false;
}

/* The caller's environment without what is dropped, and `_BLD_*` behind it. */
static char **make_environment(const struct standing *standing) {
  enum { OWN = 5 };
  size_t count = 0, at = 0;
  while (environ[count]) count++;
  char **result = calloc(count + OWN + 1, sizeof *result);
  if (!result) return NULL;
  for (size_t i = 0; i < count; i++)
    if (!is_dropped(environ[i])) result[at++] = environ[i];
  int failed = asprintf(&result[at++], "_BLD_MODE=%s", mode_names[standing->mode]) < 0 ||
               asprintf(&result[at++], "_BLD_UID=%u", standing->uid) < 0 ||
               asprintf(&result[at++], "_BLD_GID=%u", standing->gid) < 0;
  if (*standing->reason) failed |= asprintf(&result[at++], "_BLD_REASON=%s", standing->reason) < 0;
  if (standing->host_namespace >= 0)
    failed |= asprintf(&result[at++], "_BLD_MNTNS=%d", standing->host_namespace) < 0;
  return failed ? NULL : result;
}

int main(int argc, char **argv) {
  fill_standard_streams();
  char root[PATH_MAX], node[PATH_MAX], program[PATH_MAX + 16];
  if (!find_package(root)) return stop("the place of bld is unknown", "mount /proc, or start bld by its full path");
  snprintf(program, sizeof program, "%s/dist/main.js", root);
  if (access(program, R_OK)) return stop("bld is not built: dist/main.js is missing beside bin/bld", "npm run build");
  const char *given = getenv("BLD_NODE");
  if (given && *given) {
    if (!is_program(given)) return stop("BLD_NODE names no program", "set it to the path of Node.js, or unset it");
    snprintf(node, sizeof node, "%s", given);
  } else if (!find_node(root, node)) {
    return stop("Node.js was not found", "run npm install, put node into PATH, or set BLD_NODE to its path");
  }

  struct standing standing;
  take_standing(getenv("_BLD_UNSHARED"), &standing);
  char **environment = make_environment(&standing);
  char **arguments = calloc((size_t)argc + NODE_FLAGS + 2, sizeof *arguments);
  if (!environment || !arguments) return stop("out of memory", "");
  size_t at = 0;
  arguments[at++] = node;
  for (size_t i = 0; i < NODE_FLAGS; i++) arguments[at++] = (char *)node_flags[i];
  arguments[at++] = program;
  for (int i = 1; i < argc; i++) arguments[at++] = argv[i];
  execve(node, arguments, environment);
  char message[PATH_MAX + 64];
  snprintf(message, sizeof message, "%s does not start: %s", node, strerror(errno));
  return stop(message, "set BLD_NODE to the path of a Node.js that runs here");
}
