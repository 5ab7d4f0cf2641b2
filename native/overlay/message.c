#define _GNU_SOURCE
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "sandbox.h"
#include "util.h"

int send_message(int socket, char kind, int fd) {
  char control[CMSG_SPACE(sizeof fd)] = {0};
  struct iovec bytes = {&kind, 1};
  struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};
  if (fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  return RETRY(sendmsg(socket, &message, MSG_NOSIGNAL)) == 1 ? 0 : -1;
}

int receive_message(int socket, int *fd) {
  char kind, control[CMSG_SPACE(sizeof *fd)];
  struct iovec bytes = {&kind, 1};
  struct msghdr message = {
      .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  *fd = -1;
  if (RETRY(recvmsg(socket, &message, MSG_CMSG_CLOEXEC)) != 1) return -1;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
    memcpy(fd, CMSG_DATA(header), sizeof *fd);
  return kind;
}
