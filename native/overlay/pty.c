#define _GNU_SOURCE
#include "pty.h"

#include <fcntl.h>
#include <sys/ioctl.h>

#include "util.h"

#define END_OF_FILE "\x04"

static bool is_empty(const struct buffer *buffer) {
  return buffer->start == buffer->end;
}

/* Once around: fills when empty, else drains. -1 at an end or error, with errno 0 at an end. */
static int fill(struct buffer *buffer, int fd) {
  ssize_t n = read(fd, buffer->bytes, sizeof buffer->bytes);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  if (n <= 0) return -1;
  buffer->start = 0;
  buffer->end = (size_t)n;
  return 0;
}

static int drain(struct buffer *buffer, int fd) {
  ssize_t n = write(fd, buffer->bytes + buffer->start, buffer->end - buffer->start);
  if (n < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
  buffer->start += (size_t)n;
  return 0;
}

void pty_start(struct pty *pty, int master) {
  pty->master = master;
  pty->input_open = true;
  fcntl(master, F_SETFL, O_NONBLOCK);
  pty_resize(pty);
  if (tcgetattr(0, &pty->saved) < 0) return;
  struct termios raw = pty->saved;
  cfmakeraw(&raw);
  pty->raw = tcsetattr(0, TCSANOW, &raw) == 0;
}

void pty_resize(const struct pty *pty) {
  struct winsize size;
  if (pty->master < 0) return;
  if (ioctl(0, TIOCGWINSZ, &size) == 0 || ioctl(1, TIOCGWINSZ, &size) == 0)
    (void)ioctl(pty->master, TIOCSWINSZ, &size);
}

void pty_poll(const struct pty *pty, struct pollfd entries[3]) {
  bool on = pty->master >= 0;
  short wanted = (short)((is_empty(&pty->out) ? POLLIN : 0) | (is_empty(&pty->in) ? 0 : POLLOUT));
  entries[0] = (struct pollfd){on && pty->input_open && is_empty(&pty->in) ? 0 : -1, POLLIN, 0};
  entries[1] = (struct pollfd){on && !is_empty(&pty->out) ? 1 : -1, POLLOUT, 0};
  entries[2] = (struct pollfd){on && wanted ? pty->master : -1, wanted, 0};
}

bool pty_copy(struct pty *pty, const struct pollfd entries[3]) {
  const short gone = POLLHUP | POLLERR | POLLNVAL;
  if (entries[0].revents && fill(&pty->in, 0) < 0) {
    /* The command reads a terminal: there, an end of file is a character. */
    pty->input_open = false;
    pty->in = (struct buffer){.bytes = END_OF_FILE, .end = 1};
  }
  if (entries[2].revents & POLLOUT) (void)drain(&pty->in, pty->master);
  if (entries[2].revents & (POLLIN | POLLHUP) && is_empty(&pty->out) && fill(&pty->out, pty->master) < 0) {
    /* EIO: no slave is open, the command's end is near. */
    close_fd(&pty->master);
    return true;
  }
  if (entries[1].revents & gone) return false;
  return !(entries[1].revents & POLLOUT) || drain(&pty->out, 1) == 0;
}

void pty_end(struct pty *pty) {
  do {
    while (!is_empty(&pty->out))
      if (drain(&pty->out, 1) < 0) pty->out.start = pty->out.end;
  } while (pty->master >= 0 && fill(&pty->out, pty->master) == 0 && !is_empty(&pty->out));
  if (pty->raw) (void)tcsetattr(0, TCSADRAIN, &pty->saved);
  close_fd(&pty->master);
}
