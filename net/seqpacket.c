#include "net/seqpacket.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static socklen_t make_address(struct sockaddr_un *a, const char *name)
{
	size_t n = strlen(name);

	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	if (!n || n > FTP_SEQPACKET_MAX_NAME)
		return 0;
	memcpy(a->sun_path + (name[0] != '/'), name, n);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
}

static int open_socket(void)
{
	int s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return s < 0 ? -errno : s;
}

static int check_user(int s)
{
	struct ucred peer;
	socklen_t bytes = sizeof(peer);

	if (getsockopt(s, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) < 0)
		return -errno;
	return peer.uid == geteuid() ? 0 : -EPERM;
}

int ftp_seqpacket_listen(const char *name, struct ftp_error *err)
{
	struct sockaddr_un a;
	socklen_t bytes = make_address(&a, name);
	int s, e;

	if (!bytes)
		return ftp_error_set(err, EINVAL, "socket name must have 1 to %d bytes, not %zu",
			FTP_SEQPACKET_MAX_NAME, strlen(name));
	s = open_socket();
	if (s < 0)
		return ftp_error_set(err, -s, "unix socket: %s", strerror(-s));
	if (bind(s, (struct sockaddr *)&a, bytes) < 0 || listen(s, 4) < 0) {
		e = errno;
		close(s);
		return ftp_error_set(err, e, "unix socket @%s: %s", name, strerror(e));
	}
	return s;
}

int ftp_seqpacket_connect(const char *name)
{
	struct sockaddr_un a;
	socklen_t bytes = make_address(&a, name);
	int s, ret;

	if (!bytes)
		return -EINVAL;
	s = open_socket();
	if (s < 0)
		return s;
	ret = connect(s, (struct sockaddr *)&a, bytes) < 0 ? -errno : check_user(s);
	if (ret < 0) {
		close(s);
		return ret;
	}
	return s;
}

int ftp_seqpacket_accept(int listener)
{
	for (;;) {
		int s = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (s < 0)
			return -errno;
		if (check_user(s) == 0)
			return s;
		close(s);
	}
}

int ftp_seqpacket_send(int s, const void *message, size_t bytes, int fd)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = {(void *)(uintptr_t)message, bytes};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd >= 0) {
		struct cmsghdr *c;

		memset(control, 0, sizeof(control));
		m.msg_control = control;
		m.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	return sendmsg(s, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

ssize_t ftp_seqpacket_receive(int s, void *message, size_t bytes, int *fd)
{
	_Alignas(struct cmsghdr) char
		control[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
	struct iovec iov = {message, bytes};
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(s, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	*fd = -1;
	if (n < 0)
		return errno == ECONNRESET ? 0 : -errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
			c->cmsg_len == CMSG_LEN(sizeof(int)))
			memcpy(fd, CMSG_DATA(c), sizeof(*fd));
	return n;
}
