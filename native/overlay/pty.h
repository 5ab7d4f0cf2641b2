/* The person's terminal and the container's: bytes both ways, size, raw mode. */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

struct buffer {
  char bytes[4096]; /* no more than a pipe takes at once */
  size_t start, end;
};

struct pty {
  int master; /* -1: none */
  bool raw, input_open;
  struct termios saved;
  struct buffer in, out;
};

void pty_start(struct pty *pty, int master);
/* The size of the terminal at our stdin, or stdout, goes to the container's. */
void pty_resize(const struct pty *pty);
/* Fills two entries: our stdin and stdout with master; an unused one has fd -1. */
void pty_poll(const struct pty *pty, struct pollfd entries[3]);
/* Moves what can be moved. False when our stdout is gone. */
bool pty_copy(struct pty *pty, const struct pollfd entries[3]);
/* Shows what is left, and gives the terminal back as it was. */
void pty_end(struct pty *pty);
