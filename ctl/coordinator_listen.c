#include "ctl/coordinator_listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "runtime/base/address.h"

#define BACKLOG 64

int ftp_listen_tcp(const char *address, struct ftp_error *err)
{
	struct sockaddr_storage addr;
	socklen_t bytes;
	int fd, rc, on = 1;

	rc = ftp_address_parse(address, &addr, &bytes, err);
	if (rc)
		return ftp_error_prefix(err, rc, "cluster.coordinator.listen");
	fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return ftp_error_set(err, errno, "socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (!bind(fd, (struct sockaddr *)&addr, bytes) && !listen(fd, BACKLOG))
		return fd;
	rc = errno;
	close(fd);
	return ftp_error_set(err, rc,
		"cannot listen on %s: %s; choose another cluster.coordinator.listen or end the "
		"program that holds it",
		address, strerror(rc));
}

int ftp_listen_unix(const char *dir, const char *name, struct ftp_error *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC), fd, rc;

	if (dir_fd < 0)
		return ftp_error_set(err, errno, "%s: %s", dir, strerror(errno));
	/* A socket's path is limited to 107 bytes; this one is short wherever dir lies. */
	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/%s", dir_fd, name);
	unlinkat(dir_fd, name, 0);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) ||
		fchmodat(dir_fd, name, 0600, 0) || listen(fd, BACKLOG)) {
		rc = errno;
		if (fd >= 0)
			close(fd);
		close(dir_fd);
		return ftp_error_set(
			err, rc, "cannot listen on %s/%s: %s", dir, name, strerror(rc));
	}
	close(dir_fd);
	return fd;
}

bool ftp_listen_is_ours(int fd)
{
	struct ucred peer;
	socklen_t bytes = sizeof(peer);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) &&
	       (peer.uid == geteuid() || peer.uid == 0);
}
