#include "net/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "runtime/base/address.h"

#define N_SLOTS	 (2 * FTP_PORT_BURST)	     /* lent, and as many being received into */
#define SLOT_PAD (128 - FTP_WIRE_HEAD_BYTES) /* payload starts on a cache line */
/* The peer's route may be larger than ours: room for the largest packet that there is. */
#define SLOT_BYTES   (SLOT_PAD + FTP_WIRE_HEAD_BYTES + FTP_WIRE_MAX_PAYLOAD_BYTES)
#define SOCKET_BYTES (8 << 20) /* asked for; the kernel cuts it to net.core.[rw]mem_max */
#define MIN_PAYLOAD  512       /* bytes; below, the headers are most of the traffic */
#define MIN_WINDOW   8

struct udp {
	struct ftp_port port;
	int socket;
	uint8_t *slots;
	uint32_t n_free;
	uint8_t *free[N_SLOTS]; /* slots that are not lent */
};

static struct udp *udp_of(struct ftp_port *p)
{
	return (struct udp *)p;
}

/* Errors of an earlier datagram, reported late, and full queues. A closed or broken socket is not
 * among them. */
static bool is_loss(int e)
{
	return e == ECONNREFUSED || e == EHOSTUNREACH || e == ENETUNREACH || e == EHOSTDOWN ||
	       e == ENETDOWN || e == EPERM || e == EMSGSIZE;
}

static int udp_tx(struct ftp_port *p, const struct ftp_port_tx *packets, int n)
{
	struct udp *u = udp_of(p);
	struct mmsghdr messages[FTP_PORT_BURST];
	struct iovec iov[FTP_PORT_BURST][2];
	int sent = 0;

	if (n > FTP_PORT_BURST)
		n = FTP_PORT_BURST;
	for (int i = 0; i < n; i++) {
		iov[i][0] = (struct iovec){(void *)(uintptr_t)packets[i].head, FTP_WIRE_HEAD_BYTES};
		iov[i][1] = (struct iovec){
			(void *)(uintptr_t)packets[i].payload, packets[i].payload_bytes};
		messages[i].msg_hdr = (struct msghdr){
			.msg_iov = iov[i], .msg_iovlen = packets[i].payload_bytes ? 2 : 1};
	}
	while (sent < n) {
		int ret = sendmmsg(u->socket, messages + sent, (unsigned)(n - sent), MSG_DONTWAIT);

		if (ret > 0)
			sent += ret;
		else if (errno == EINTR)
			continue;
		else if (is_loss(errno))
			sent++; /* counts as sent and lost */
		else
			break;
	}
	return sent;
}

static int udp_rx(struct ftp_port *p, struct ftp_port_rx *packets, int max)
{
	struct udp *u = udp_of(p);
	struct mmsghdr messages[FTP_PORT_BURST];
	struct iovec iov[FTP_PORT_BURST];
	int n = max < FTP_PORT_BURST ? max : FTP_PORT_BURST, got;

	if ((uint32_t)n > u->n_free)
		n = (int)u->n_free;
	for (int i = 0; i < n; i++) {
		iov[i] =
			(struct iovec){u->free[u->n_free - 1 - (uint32_t)i], SLOT_BYTES - SLOT_PAD};
		messages[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
	}
	/* An error that a datagram of ours has caused comes once, before what has arrived. */
	do {
		got = n ? recvmmsg(u->socket, messages, (unsigned)n, MSG_DONTWAIT, NULL) : 0;
	} while (got < 0 && (errno == EINTR || is_loss(errno)));
	if (got < 0)
		got = 0;
	for (int i = 0; i < got; i++) {
		uint8_t *slot = u->free[--u->n_free];
		bool cut = messages[i].msg_hdr.msg_flags & MSG_TRUNC;

		/* Too long to be ours: passed on without its bytes, to be counted as rejected. */
		packets[i] = (struct ftp_port_rx){slot, cut ? 0 : messages[i].msg_len, slot};
	}
	return got;
}

static void udp_release(struct ftp_port *p, struct ftp_port_rx *packets, int n)
{
	struct udp *u = udp_of(p);

	for (int i = 0; i < n; i++)
		u->free[u->n_free++] = packets[i].token;
	ftp_assert(u->n_free <= N_SLOTS);
}

static bool udp_idle(struct ftp_port *p, const struct ftp_buffer *b)
{
	(void)p;
	(void)b;
	return true; /* the kernel copied it */
}

static enum ftp_port_link udp_link(struct ftp_port *p)
{
	(void)p;
	return FTP_PORT_UP;
}

static int udp_arm(struct ftp_port *p)
{
	return udp_of(p)->socket;
}

static void udp_disarm(struct ftp_port *p)
{
	(void)p;
}

static void udp_close(struct ftp_port *p)
{
	struct udp *u = udp_of(p);

	close(u->socket);
	free(u->slots);
	free(u);
}

static const struct ftp_port_ops udp_ops = {
	.tx = udp_tx,
	.rx = udp_rx,
	.release = udp_release,
	.idle = udp_idle,
	.link = udp_link,
	.arm = udp_arm,
	.disarm = udp_disarm,
	.close = udp_close,
};

static int parse(const char *host, uint16_t port, struct sockaddr_storage *a, socklen_t *bytes,
	struct ftp_error *err)
{
	char text[128];

	snprintf(text, sizeof(text), strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, port);
	return ftp_address_parse(text, a, bytes, err);
}

/* Every socket of the node shares the port, but nobody else may have it: so the first one binds
 * without SO_REUSEADDR, which fails when the port is taken, and permits sharing afterwards. */
static int bind_socket(const char *host, uint16_t port, bool first, struct ftp_error *err)
{
	struct sockaddr_storage a;
	socklen_t bytes;
	const int on = 1;
	int s, e, ret = parse(host, port, &a, &bytes, err);

	if (ret < 0)
		return ret;
	s = socket(a.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s < 0)
		return ftp_error_set(err, errno, "udp socket: %s", strerror(errno));
	if ((!first && setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0) ||
		bind(s, (struct sockaddr *)&a, bytes) < 0 ||
		setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0) {
		e = errno;
		close(s);
		return ftp_error_set(err, e, "udp %s port %u: %s", host, port, strerror(e));
	}
	return s;
}

int ftp_udp_reserve(const char *host, uint16_t *port, struct ftp_error *err)
{
	int s = bind_socket(host, *port, true, err);
	const int least = 1;
	struct sockaddr_storage a;
	socklen_t bytes = sizeof(a);

	if (s < 0)
		return s;
	/* What strays in here is not read: keep little of it. */
	setsockopt(s, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least));
	getsockname(s, (struct sockaddr *)&a, &bytes);
	*port = ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port
					      : ((struct sockaddr_in *)&a)->sin_port);
	return s;
}

/* What one packet may carry on the route, in whole cache lines. */
static uint32_t route_payload_bytes(int s, int family)
{
	const bool v6 = family == AF_INET6;
	const uint32_t overhead = (v6 ? 40 : 20) + 8 + FTP_WIRE_HEAD_BYTES;
	int mtu = 0;
	socklen_t bytes = sizeof(mtu);

	if (getsockopt(s, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_MTU : IP_MTU, &mtu, &bytes) <
			0 ||
		mtu < (int)(overhead + MIN_PAYLOAD))
		return MIN_PAYLOAD;
	return ((uint32_t)mtu - overhead) & ~63u;
}

/* Packets of the largest size that the peer's socket buffer holds, were it like ours. The kernel
 * charges a datagram about as much again as it carries (sk_buff truesize). */
static uint32_t window(int s, uint32_t payload_bytes)
{
	int have = 0;
	socklen_t bytes = sizeof(have);
	uint32_t n;

	getsockopt(s, SOL_SOCKET, SO_RCVBUF, &have, &bytes);
	n = (uint32_t)have / (2 * (payload_bytes + FTP_WIRE_HEAD_BYTES));
	return n < MIN_WINDOW ? MIN_WINDOW : n;
}

static int init(struct udp *u, const char *peer_host, uint16_t peer_port,
	uint32_t max_payload_bytes, struct ftp_error *err)
{
	const int ask = SOCKET_BYTES;
	struct sockaddr_storage a;
	socklen_t bytes;
	int ret = parse(peer_host, peer_port, &a, &bytes, err);

	if (ret < 0)
		return ret;
	if (connect(u->socket, (struct sockaddr *)&a, bytes) < 0)
		return ftp_error_set(
			err, errno, "udp to %s port %u: %s", peer_host, peer_port, strerror(errno));
	setsockopt(u->socket, SOL_SOCKET, SO_RCVBUF, &ask, sizeof(ask));
	setsockopt(u->socket, SOL_SOCKET, SO_SNDBUF, &ask, sizeof(ask));
	if (!max_payload_bytes)
		max_payload_bytes = route_payload_bytes(u->socket, a.ss_family);
	if (max_payload_bytes > FTP_WIRE_MAX_PAYLOAD_BYTES)
		max_payload_bytes = FTP_WIRE_MAX_PAYLOAD_BYTES;
	u->port.ops = &udp_ops;
	u->port.caps = (struct ftp_port_caps){
		.name = "udp",
		.max_payload_bytes = max_payload_bytes,
		.window_packets = window(u->socket, max_payload_bytes),
		.tx_burst = 8,
		.drops_silently = true,
		.tx_copies = 1,
		.rx_copies = 1,
	};
	u->slots = aligned_alloc(64, (size_t)N_SLOTS * SLOT_BYTES);
	if (!u->slots)
		return ftp_error_set(err, ENOMEM, "udp: out of memory");
	for (u->n_free = 0; u->n_free < N_SLOTS; u->n_free++)
		u->free[u->n_free] = u->slots + (size_t)u->n_free * SLOT_BYTES + SLOT_PAD;
	return 0;
}

int ftp_udp_open(struct ftp_port **out, const char *host, uint16_t port, const char *peer_host,
	uint16_t peer_port, uint32_t max_payload_bytes, struct ftp_error *err)
{
	struct udp *u = calloc(1, sizeof(*u));
	int ret;

	if (!u)
		return ftp_error_set(err, ENOMEM, "udp: out of memory");
	u->socket = ret = bind_socket(host, port, false, err);
	if (ret >= 0)
		ret = init(u, peer_host, peer_port, max_payload_bytes, err);
	if (ret < 0) {
		if (u->socket >= 0)
			close(u->socket);
		free(u);
		return ret;
	}
	*out = &u->port;
	return 0;
}
