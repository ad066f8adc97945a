#include "net/dpdk/relay.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/clock.h"

#define GREETING_MAGIC	  0x6d656d6966747066ull /* "fptfimem" */
#define GREETING_VERSION  1
#define TRY_INTERVAL_NS	  FTP_NS_PER_MS
#define DRIVER_TIMEOUT_MS 1000

/* memif's message types that the relay has to know (libmemif, memif.h). */
#define MEMIF_MESSAGE_BYTES  128
#define MEMIF_TYPE_INIT	     3
#define MEMIF_TYPE_CONNECTED 7

struct greeting {
	uint64_t magic;
	uint32_t version;
	uint32_t device_id;
};

int ftp_relay_open(struct ftp_relay *r, const char *name, bool server, struct ftp_error *err)
{
	*r = (struct ftp_relay){.server = server, .listener = -1, .pending = -1, .driver = -1};
	if (strlen(name) > FTP_SEQPACKET_MAX_NAME)
		return ftp_error_set(err, EINVAL, "memif: socket name of more than %d bytes",
			FTP_SEQPACKET_MAX_NAME);
	strcpy(r->name, name);
	if (!server)
		return 0;
	r->listener = ftp_seqpacket_listen(name, err);
	return r->listener < 0 ? r->listener : 0;
}

/* The server: takes one peer, for good. */
static int meet_client(struct ftp_relay *r, uint32_t device_id, struct ftp_error *err)
{
	const struct greeting g = {GREETING_MAGIC, GREETING_VERSION, device_id};
	int s = ftp_seqpacket_accept(r->listener), ret;

	if (s == -EAGAIN)
		return 1;
	if (s < 0)
		return ftp_error_set(err, -s, "memif %s: accept: %s", r->name, strerror(-s));
	close(r->listener);
	r->listener = -1;
	ret = ftp_doorbell_offer(&r->doorbell, s, &g, sizeof(g), err);
	if (ret < 0)
		close(s);
	return ret;
}

static int meet_server(struct ftp_relay *r, uint32_t *device_id, struct ftp_error *err)
{
	struct greeting g;
	int memory, ret;
	ssize_t n;

	if (r->pending < 0) {
		uint64_t now_ns = ftp_clock_now_ns();

		if (now_ns < r->next_try_ns)
			return 1;
		r->next_try_ns = now_ns + TRY_INTERVAL_NS;
		r->pending = ftp_seqpacket_connect(r->name);
		if (r->pending < 0)
			return 1; /* not there yet, or a stranger sits there: the caller's deadline
				   */
	}
	n = ftp_seqpacket_receive(r->pending, &g, sizeof(g), &memory);
	if (n == -EAGAIN)
		return 1;
	if (n != sizeof(g) || g.magic != GREETING_MAGIC || g.version != GREETING_VERSION) {
		if (memory >= 0)
			close(memory);
		return ftp_error_set(err, n ? EPROTO : ECONNRESET, "memif %s: the peer %s", r->name,
			n ? "speaks another version" : "left");
	}
	ret = ftp_doorbell_take(&r->doorbell, r->pending, memory, err);
	if (ret < 0)
		return ret;
	r->pending = -1;
	*device_id = g.device_id;
	return 0;
}

int ftp_relay_meet(struct ftp_relay *r, uint32_t *device_id, struct ftp_error *err)
{
	return r->server ? meet_client(r, *device_id, err) : meet_server(r, device_id, err);
}

void ftp_relay_attach(struct ftp_relay *r, int driver)
{
	r->driver = driver;
}

/* Moves every message that waits at from. 0, or negative when a side has left. */
static int pass(struct ftp_relay *r, int from, int to)
{
	for (;;) {
		unsigned char message[MEMIF_MESSAGE_BYTES];
		uint16_t type;
		int fd, ret = 0;
		ssize_t n = ftp_seqpacket_receive(from, message, sizeof(message), &fd);

		if (n == -EAGAIN)
			return 0;
		if (n <= 0)
			return -ECONNRESET;
		if (n == MEMIF_MESSAGE_BYTES)
			ret = ftp_seqpacket_send(to, message, sizeof(message), fd);
		if (fd >= 0)
			close(fd);
		if (n != MEMIF_MESSAGE_BYTES)
			continue;
		if (ret < 0)
			return ret;
		memcpy(&type, message, sizeof(type));
		if (type == MEMIF_TYPE_CONNECTED)
			r->connected_passed = true;
		/* On INIT the driver's thread walks its list of devices without a lock: wait for
		 * its answer, so that no device comes or goes meanwhile. */
		if (type == MEMIF_TYPE_INIT && to == r->driver) {
			struct pollfd p = {.fd = to, .events = POLLIN};

			if (poll(&p, 1, DRIVER_TIMEOUT_MS) != 1)
				return -ETIMEDOUT;
		}
	}
}

int ftp_relay_step(struct ftp_relay *r)
{
	int ret = pass(r, r->driver, r->doorbell.socket);

	if (ret < 0 || r->connected_passed)
		return ret;
	return pass(r, r->doorbell.socket, r->driver);
}

void ftp_relay_close(struct ftp_relay *r)
{
	ftp_doorbell_close(&r->doorbell);
	if (r->driver >= 0)
		close(r->driver);
	if (r->pending >= 0)
		close(r->pending);
	if (r->listener >= 0)
		close(r->listener);
	r->driver = r->pending = r->listener = -1;
}
