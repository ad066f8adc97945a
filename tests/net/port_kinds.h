/* The packet ports as the conformance suite sees them: how each kind is opened, and how a packet is
 * sent, received and checked. Both ends are in this process. */
#ifndef FTP_TESTS_PORT_KINDS_H
#define FTP_TESTS_PORT_KINDS_H

#include "net/port.h"
#include "tests/base/check.h"

#define N_SLOTS	     64	     /* of a ring */
#define PATIENCE     1000000 /* turns until something that must come is missed */
#define TENSOR_BYTES (1 << 20)

struct ends {
	struct ftp_port *port[2];
	int reserved[2]; /* UDP's addresses; else -1 */
};

struct kind {
	const char *name;
	const char *caps_name;
	void (*open)(struct ends *e);
	bool knows_peer; /* DOWN when the peer closes */
};

extern const struct kind kinds[];
extern const size_t n_kinds;

/* DPDK for memif, and the simulated network's end. */
void kinds_start(uint64_t seed);
void kinds_stop(void);

struct ends open_ends(const struct kind *k); /* both UP */
void close_end(struct ends *e, int i);
void close_ends(struct ends *e);
void prime(struct ends *e);

struct ftp_buffer make_tensor(void); /* TENSOR_BYTES of random data; free() its data */

/* The head is drawn from the packet's number, which it begins with. */
void make_head(uint8_t head[FTP_WIRE_HEAD_BYTES], uint32_t number);
void send_one(struct ftp_port *p, uint32_t number, const uint8_t *payload, uint32_t bytes,
	struct ftp_buffer *owner);
int rx(struct ftp_port *p, struct ftp_port_rx *r, int max);
int receive(struct ftp_port *p, struct ftp_port_rx *r, int max); /* waits for the first */
uint32_t check_packet(const struct ftp_port_rx *r, const uint8_t *payload, uint32_t bytes);

#endif
