#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl/jsonrpc.h"
#include "runtime/base/address.h"
#include "runtime/base/clock.h"

/* A socket's path has at most 107 bytes: a longer one is named through its directory's descriptor,
 * which *dir_fd holds until the socket is connected. */
static int unix_address(const char *path, struct sockaddr_storage *addr, socklen_t *bytes,
	int *dir_fd, struct ftp_error *err)
{
	struct sockaddr_un *un = (struct sockaddr_un *)addr;
	const char *base = strrchr(path, '/') + 1;
	char dir[PATH_MAX];
	int n;

	memset(un, 0, sizeof(*un));
	un->sun_family = AF_UNIX;
	*bytes = sizeof(*un);
	n = snprintf(un->sun_path, sizeof(un->sun_path), "%s", path);
	if (n < (int)sizeof(un->sun_path))
		return 0;
	snprintf(dir, sizeof(dir), "%.*s", (int)(base - path), path);
	*dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*dir_fd < 0)
		return ftp_error_set(err, errno, "%s: %s", dir, strerror(errno));
	n = snprintf(
		un->sun_path, sizeof(un->sun_path), "/proc/thread-self/fd/%d/%s", *dir_fd, base);
	if (n < (int)sizeof(un->sun_path))
		return 0;
	close(*dir_fd);
	*dir_fd = -1;
	return ftp_error_set(err, ENAMETOOLONG, "%s: too long a name for a socket", base);
}

/* Waits for events on fd until the deadline: 0 or -ETIMEDOUT. */
static int await(int fd, short events, uint64_t deadline_ns)
{
	struct pollfd pfd = {.fd = fd, .events = events};
	uint64_t now_ns;
	int rc;

	do {
		now_ns = ftp_clock_now_ns();
		if (now_ns >= deadline_ns)
			return -ETIMEDOUT;
		rc = poll(&pfd, 1, (int)((deadline_ns - now_ns) / FTP_NS_PER_MS) + 1);
	} while (rc <= 0);
	return 0;
}

int ftp_jsonrpc_connect(const char *address, uint64_t deadline_ns, struct ftp_error *err)
{
	struct sockaddr_storage addr;
	socklen_t bytes, rc_bytes = sizeof(int);
	int fd, rc, dir_fd = -1;

	rc = strchr(address, '/') ? unix_address(address, &addr, &bytes, &dir_fd, err)
				  : ftp_address_parse(address, &addr, &bytes, err);
	if (rc)
		return rc;
	fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ftp_assert(fd >= 0);
	rc = connect(fd, (struct sockaddr *)&addr, bytes) ? errno : 0;
	if (dir_fd >= 0)
		close(dir_fd);
	if (rc == EINPROGRESS || rc == EAGAIN) {
		rc = -await(fd, POLLOUT, deadline_ns);
		if (!rc && getsockopt(fd, SOL_SOCKET, SO_ERROR, &rc, &rc_bytes))
			rc = errno;
	}
	if (!rc)
		return fd;
	close(fd);
	return ftp_error_set(err, rc, "cannot connect to %s: %s", address, strerror(rc));
}

struct answer {
	bool done;
	int code;
	json_t *result;
	struct ftp_error text;
};

static void on_done(void *arg, int code, const json_t *result, const char *text)
{
	struct answer *a = arg;

	a->done = true;
	a->code = code;
	a->result = result ? json_deep_copy(result) : json_null();
	ftp_error_set(&a->text, EPROTO, "%s", text ? text : "");
}

static int answer_errno(int code)
{
	return code == FTP_JSONRPC_DEADLINE ? ETIMEDOUT
	       : code == FTP_JSONRPC_CLOSED ? EPIPE
					    : EPROTO;
}

int ftp_jsonrpc_ask(const char *address, const char *method, json_t *params, uint64_t deadline_ns,
	json_t **result, struct ftp_error *err)
{
	static const struct ftp_jsonrpc_method none[] = {{NULL, NULL}};
	struct answer a = {.done = false};
	struct ftp_jsonrpc *p;
	int fd = ftp_jsonrpc_connect(address, deadline_ns, err);

	if (fd < 0) {
		json_decref(params);
		return fd;
	}
	p = ftp_jsonrpc_new(fd, none, NULL);
	ftp_jsonrpc_call(p, method, params, deadline_ns, on_done, &a);
	while (!a.done && !ftp_jsonrpc_turn(p, ftp_clock_now_ns(), NULL))
		if (!a.done)
			await(fd, ftp_jsonrpc_poll_events(p), deadline_ns);
	ftp_jsonrpc_free(p);
	if (a.code) {
		json_decref(a.result);
		return ftp_error_set(
			err, answer_errno(a.code), "%s: %s: %s", address, method, a.text.text);
	}
	*result = a.result;
	return 0;
}
