/*
 * What the helper tells bld: `key NUL value NUL` pairs on the channel that the spec came by.
 *   warn TEXT | pid N | exit N | signal N | oom 1 | fail STEP, errno NAME, text TEXT
 * One call is one write, so that all processes of a run may share the channel.
 */
#pragma once

void report_to(int fd);
void report(const char *key, const char *value);
void report_number(const char *key, long value);
void warning(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Reports the step that failed with the present errno and ends this process: a run cannot go on after it. */
void die(const char *step, const char *format, ...) __attribute__((noreturn, format(printf, 2, 3)));
