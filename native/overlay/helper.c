/*
 * bld-helper run: runs one command in a sandbox, as the spec on descriptor 3 says (src/runtime/wire.ts). What became
 * of it goes back over the same socket (report.h); the exit code is 0 when a report of the command's end was sent.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "attach.h"
#include "kernel.h"
#include "report.h"
#include "sandbox.h"
#include "util.h"

#define CHANNEL 3
#define SEALED "sealed"

/* A sealed copy in memory, where the kernel makes no read-only mount of one file. */
static int copy_of(int program) {
  struct stat found;
  int copy = memfd_create("bld-helper", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (copy < 0 || fstat(program, &found) < 0) return -1;
  for (off_t at = 0; at < found.st_size;)
    if (sendfile(copy, program, &at, (size_t)(found.st_size - at)) <= 0) return -1;
  int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  return fcntl(copy, F_ADD_SEALS, seals) < 0 ? -1 : copy;
}

/*
 * The command can come to /proc/PID/exe of the processes that set it up, and write there when they end
 * (CVE-2019-5736): so these run from a read-only mount of the program.
 */
static void seal(char **argv) {
  cleanup_fd int program = RETRY(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  if (program < 0) die("sandbox", "opening /proc/self/exe");
  cleanup_fd int readonly = clone_tree(program, "", false);
  if (readonly < 0 || restrict_mount(readonly, MOUNT_ATTR_RDONLY, false) < 0) {
    close_fd(&readonly);
    readonly = copy_of(program);
  }
  if (readonly < 0) die("sandbox", "sealing bld-helper");
  /* The name in the container's process list: not where bld lies on the host. */
  char *arguments[] = {"bld-helper", argv[1], SEALED, NULL};
  char *none[] = {NULL};
  fexecve(readonly, arguments, none);
  die("sandbox", "running the sealed bld-helper");
}

int main(int argc, char **argv) {
  if (argc < 2 || strcmp(argv[1], "run") != 0) {
    fputs("bld-helper is a part of bld and not called by hand.\n", stderr);
    return 125;
  }
  report_to(CHANNEL);
  if (argc < 3) seal(argv);
  if (fcntl(CHANNEL, F_SETFD, FD_CLOEXEC) < 0) return 125;
  return sandbox_run(CHANNEL);
}
