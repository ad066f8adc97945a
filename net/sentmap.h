/* What was sent under each packet number: a ring indexed by packet number, which is dense. Knows
 * nothing of connections. One owner; nothing is allocated after ftp_sentmap_init(). */
#ifndef FTP_NET_SENTMAP_H
#define FTP_NET_SENTMAP_H

#include <stdbool.h>
#include <stdint.h>

enum ftp_sent_state {
	FTP_SENT_RESOLVED = 0, /* acknowledged, lost, or never sent */
	FTP_SENT_STAGED,       /* numbered, not yet accepted by the port */
	FTP_SENT_OUTSTANDING,
};

struct ftp_sent {
	uint64_t time_ns;
	uint32_t message, generation; /* DATA: whose bytes */
	uint32_t chunk;
	uint16_t bytes; /* of head and payload */
	uint8_t type;	/* enum ftp_wire_type */
	uint8_t state;	/* enum ftp_sent_state */
};

struct ftp_sentmap {
	struct ftp_sent *ring;
	uint32_t mask;
	uint64_t oldest, next; /* every number below oldest is resolved */
};

/* n_packets: a power of two. */
void ftp_sentmap_init(struct ftp_sentmap *m, uint32_t n_packets);
void ftp_sentmap_deinit(struct ftp_sentmap *m);

/* Forgets what was sent; packet numbers go on. */
void ftp_sentmap_reset(struct ftp_sentmap *m);

static inline bool ftp_sentmap_is_full(const struct ftp_sentmap *m)
{
	return m->next - m->oldest > m->mask;
}

static inline struct ftp_sent *ftp_sentmap_at(const struct ftp_sentmap *m, uint64_t number)
{
	return &m->ring[number & m->mask];
}

/* The entry of the next number, zeroed; m is not full. */
struct ftp_sent *ftp_sentmap_push(struct ftp_sentmap *m);

/* Moves oldest past what is resolved. */
static inline void ftp_sentmap_settle(struct ftp_sentmap *m)
{
	while (m->oldest < m->next && ftp_sentmap_at(m, m->oldest)->state == FTP_SENT_RESOLVED)
		m->oldest++;
}

#endif
