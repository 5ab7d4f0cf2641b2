/* What every container has below /proc, /sys and /dev. */
#pragma once

#include "rootfs.h"
#include "spec.h"

/* All of it. From within the new namespaces, before the old root is gone. Ends the process on failure. */
void mount_system(const struct spec *spec, int root, struct stubs *stubs);
/* The terminal's other end as /dev/console. */
void mount_console(int root, const char *slave);
