#include "net/dpdk/memif.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "net/dpdk/device.h"
#include "net/dpdk/eal.h"
#include "net/dpdk/relay.h"
#include "runtime/base/log.h"

#define TX_CHUNK    4  /* the driver publishes at the end of a burst: the peer starts earlier */
#define N_RX	    63 /* mbufs: FTP_PORT_BURST lent, as many again; 1 MiB, so they stay cached */
#define N_TX	    31 /* mbufs: two for a packet of a chunk */
#define CHECK_EVERY 64 /* polls that found nothing, for a look whether the peer lives */
#define WINDOW	    (1 << FTP_DEVICE_LOG2_SLOTS)

struct memif {
	struct ftp_port port;
	enum ftp_port_link link;
	bool met;	  /* the relay has a peer */
	uint32_t n_empty; /* polls that found nothing */
	struct ftp_device device;
	struct rte_mempool *rx_pool, *tx_pool;
	struct ftp_relay relay;
	struct rte_mbuf_ext_shared_info lent; /* of payload without an owner */
};

static_assert(
	sizeof(struct rte_mbuf_ext_shared_info) <= sizeof(((struct ftp_buffer *)0)->port_words),
	"the reference count lives in the buffer");

static struct memif *memif_of(struct ftp_port *p)
{
	return (struct memif *)p;
}

/* Never the last reference: the owner holds one. */
static void on_last_reference(void *memory, void *arg)
{
	(void)memory;
	(void)arg;
	ftp_assert(!"an external buffer lost its owner's reference");
}

static struct rte_mbuf_ext_shared_info *references(struct ftp_buffer *b)
{
	struct rte_mbuf_ext_shared_info *r = (void *)b->port_words;

	if (!r->free_cb) {
		r->free_cb = on_last_reference;
		rte_mbuf_ext_refcnt_set(r, 1);
	}
	return r;
}

static bool memif_idle(struct ftp_port *p, const struct ftp_buffer *b)
{
	const struct rte_mbuf_ext_shared_info *r = (const void *)b->port_words;

	(void)p;
	return !r->free_cb || rte_mbuf_ext_refcnt_read(r) == 1;
}

/* head: an mbuf with the packet's head copied behind room for a carrier; payload: one that points
 * at the payload, chained to it. */
static void fill(struct memif *m, struct rte_mbuf *head, struct rte_mbuf *payload,
	const struct ftp_port_tx *t)
{
	struct rte_mbuf_ext_shared_info *r;

	head->data_off = 0;
	head->data_len = FTP_DEVICE_HEAD_BYTES;
	head->pkt_len = FTP_DEVICE_HEAD_BYTES + t->payload_bytes;
	memcpy((uint8_t *)head->buf_addr + FTP_WIRE_CARRIER_BYTES, t->head, FTP_WIRE_HEAD_BYTES);
	if (!t->payload_bytes)
		return;
	r = t->owner ? references(t->owner) : &m->lent;
	rte_mbuf_ext_refcnt_update(r, 1);
	rte_pktmbuf_attach_extbuf(payload, (void *)(uintptr_t)t->payload, (rte_iova_t)t->payload,
		(uint16_t)t->payload_bytes, r);
	payload->data_len = (uint16_t)t->payload_bytes;
	head->next = payload;
	head->nb_segs = 2;
}

static int send_chunk(struct memif *m, const struct ftp_port_tx *packets, int n)
{
	struct rte_mbuf *mbufs[2 * TX_CHUNK], *heads[TX_CHUNK];
	int n_mbufs = 0, next = 0, sent;

	for (int i = 0; i < n; i++)
		n_mbufs += packets[i].payload_bytes ? 2 : 1;
	if (rte_pktmbuf_alloc_bulk(m->tx_pool, mbufs, (unsigned)n_mbufs) != 0)
		return 0;
	for (int i = 0; i < n; i++) {
		heads[i] = mbufs[next++];
		fill(m, heads[i], packets[i].payload_bytes ? mbufs[next++] : NULL, &packets[i]);
	}
	sent = rte_eth_tx_burst(m->device.port, 0, heads, (uint16_t)n);
	for (int i = sent; i < n; i++)
		rte_pktmbuf_free(heads[i]);
	/* Payload without an owner must not be kept. */
	ftp_assert(rte_mbuf_ext_refcnt_read(&m->lent) == 1);
	return sent;
}

static int memif_tx(struct ftp_port *p, const struct ftp_port_tx *packets, int n)
{
	struct memif *m = memif_of(p);
	int sent = 0;

	if (m->link != FTP_PORT_UP)
		return 0;
	while (sent < n) {
		int chunk = n - sent < TX_CHUNK ? n - sent : TX_CHUNK;
		int accepted = send_chunk(m, packets + sent, chunk);

		sent += accepted;
		if (accepted < chunk)
			break;
	}
	if (sent)
		ftp_doorbell_ring(&m->relay.doorbell);
	return sent;
}

static int receive(struct memif *m, struct ftp_port_rx *packets, int max)
{
	struct rte_mbuf *mbufs[FTP_PORT_BURST];
	int n = rte_eth_rx_burst(
		m->device.port, 0, mbufs, (uint16_t)(max < FTP_PORT_BURST ? max : FTP_PORT_BURST));

	for (int i = 0; i < n; i++) {
		uint32_t bytes = mbufs[i]->data_len;
		uint32_t carrier = bytes < FTP_WIRE_CARRIER_BYTES ? bytes : FTP_WIRE_CARRIER_BYTES;

		packets[i] = (struct ftp_port_rx){
			.packet = rte_pktmbuf_mtod(mbufs[i], const uint8_t *) + carrier,
			.bytes = bytes - carrier,
			.token = mbufs[i],
		};
	}
	return n;
}

static int memif_rx(struct ftp_port *p, struct ftp_port_rx *packets, int max)
{
	struct memif *m = memif_of(p);
	int n;

	if (m->link != FTP_PORT_UP)
		return 0;
	n = receive(m, packets, max);
	if (n || (!m->relay.doorbell.gone && ++m->n_empty % CHECK_EVERY))
		return n;
	if (!ftp_doorbell_check(&m->relay.doorbell))
		return 0;
	/* Gone; what it sent before is still in the ring. */
	n = receive(m, packets, max);
	if (!n)
		m->link = FTP_PORT_DOWN;
	return n;
}

static void memif_release(struct ftp_port *p, struct ftp_port_rx *packets, int n)
{
	(void)p;
	for (int i = 0; i < n; i++)
		rte_pktmbuf_free(packets[i].token);
}

/* The meeting and the driver's handshake; 0, or negative when they cannot succeed any more. */
static int connect_step(struct memif *m, struct ftp_error *err)
{
	struct rte_eth_link link;
	int ret, driver;

	if (!m->met) {
		ret = ftp_relay_meet(&m->relay, &m->device.id, err);
		if (ret)
			return ret < 0 ? ret : 0;
		m->met = true;
		if (!m->relay.server) {
			ret = ftp_device_add_client(
				&m->device, m->device.id, m->rx_pool, &driver, err);
			if (ret < 0)
				return ret;
			ftp_relay_attach(&m->relay, driver);
		}
	}
	if (m->relay.driver < 0) {
		driver = ftp_device_connect(err);
		if (driver < 0)
			return driver == -EAGAIN ? 0 : driver;
		ftp_relay_attach(&m->relay, driver);
	}
	ret = ftp_relay_step(&m->relay);
	if (ret < 0)
		return ftp_error_set(err, -ret, "memif %s: the peer left before it was connected",
			m->relay.name);
	if (m->relay.connected_passed && rte_eth_link_get_nowait(m->device.port, &link) == 0 &&
		link.link_status == RTE_ETH_LINK_UP)
		m->link = FTP_PORT_UP;
	return 0;
}

static enum ftp_port_link memif_link(struct ftp_port *p)
{
	struct memif *m = memif_of(p);
	struct ftp_error err;

	if (m->link == FTP_PORT_CONNECTING && connect_step(m, &err) < 0) {
		ftp_log_warn("%s", err.text);
		m->link = FTP_PORT_DOWN;
	}
	return m->link;
}

/* While connecting: a server sleeps on its listener; in the handshake and as a client, naps do. */
static int memif_arm(struct ftp_port *p)
{
	struct memif *m = memif_of(p);

	if (m->link == FTP_PORT_UP)
		return ftp_doorbell_arm(&m->relay.doorbell);
	return m->relay.listener;
}

static void memif_disarm(struct ftp_port *p)
{
	struct memif *m = memif_of(p);

	if (m->link == FTP_PORT_UP)
		ftp_doorbell_disarm(&m->relay.doorbell);
}

static void memif_close(struct ftp_port *p)
{
	struct memif *m = memif_of(p);

	ftp_device_remove(&m->device);
	ftp_relay_close(&m->relay);
	rte_mempool_free(m->rx_pool);
	rte_mempool_free(m->tx_pool);
	free(m);
}

static const struct ftp_port_ops memif_ops = {
	.tx = memif_tx,
	.rx = memif_rx,
	.release = memif_release,
	.idle = memif_idle,
	.link = memif_link,
	.arm = memif_arm,
	.disarm = memif_disarm,
	.close = memif_close,
};

/* One thread allocates and frees: no cache, single producer, single consumer. */
static struct rte_mempool *make_pool(const char *kind, unsigned n, uint16_t room_bytes)
{
	static unsigned n_made;
	char name[RTE_MEMPOOL_NAMESIZE];

	snprintf(name, sizeof(name), "ftp_%s%u", kind, n_made++);
	return rte_pktmbuf_pool_create_by_ops(
		name, n, 0, 0, room_bytes, SOCKET_ID_ANY, "ring_sp_sc");
}

int ftp_memif_open(
	struct ftp_port **out, const struct ftp_memif_params *params, struct ftp_error *err)
{
	struct memif *m;
	int ret;

	if (!ftp_eal_is_started())
		return ftp_error_set(err, ENODEV, "memif: DPDK is not started");
	m = calloc(1, sizeof(*m));
	if (!m)
		return ftp_error_set(err, ENOMEM, "memif: out of memory");
	m->port.ops = &memif_ops;
	m->port.caps = (struct ftp_port_caps){
		.name = "memif",
		.max_payload_bytes = FTP_WIRE_MAX_PAYLOAD_BYTES,
		.window_packets = WINDOW,
		.tx_burst = TX_CHUNK,
		.drops_silently = false,
		.tx_copies = 1,
		.rx_copies = 1,
	};
	m->link = FTP_PORT_CONNECTING;
	m->lent.free_cb = on_last_reference;
	rte_mbuf_ext_refcnt_set(&m->lent, 1);
	ret = ftp_relay_open(&m->relay, params->socket, params->server, err);
	if (ret < 0)
		goto free_port;
	m->rx_pool = make_pool("rx", N_RX, RTE_PKTMBUF_HEADROOM + FTP_DEVICE_FRAME_BYTES);
	m->tx_pool = make_pool("tx", N_TX, FTP_DEVICE_HEAD_BYTES);
	if (!m->rx_pool || !m->tx_pool) {
		ret = ftp_error_set(err, ENOMEM, "memif: DPDK has no memory for one more port (%s)",
			rte_strerror(rte_errno));
		goto free_pools;
	}
	if (params->server) {
		ret = ftp_device_add_server(&m->device, m->rx_pool, err);
		if (ret < 0)
			goto free_pools;
	}
	*out = &m->port;
	return 0;

free_pools:
	rte_mempool_free(m->rx_pool);
	rte_mempool_free(m->tx_pool);
	ftp_relay_close(&m->relay);
free_port:
	free(m);
	return ret;
}
