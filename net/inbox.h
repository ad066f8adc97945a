/* Posted messages of one connection: where received bytes go, what is complete, what credit is
 * still to be told. Knows nothing of packets' numbers beyond storing them. One owner; nothing is
 * allocated after ftp_inbox_init().
 *
 * Messages are cut into chunks of chunk_bytes, the last one shorter; a packet carries one chunk, so
 * that what has arrived is one bit a chunk.
 */
#ifndef FTP_NET_INBOX_H
#define FTP_NET_INBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "net/frames.h"
#include "net/idmap.h"
#include "net/queue.h"
#include "net/wire.h"

#define FTP_INBOX_NONE UINT32_MAX /* no message */

enum ftp_inbox_state {
	FTP_INBOX_FREE,
	FTP_INBOX_POSTED,   /* in `untold`, or about to be */
	FTP_INBOX_GRANTED,  /* the peer has been told; in `again` when that was lost */
	FTP_INBOX_COMPLETE, /* in `complete` until taken */
};

struct ftp_inbox_message {
	struct ftp_message_id id;
	uint8_t *data;
	uint64_t *seen;	       /* one bit a chunk */
	uint64_t grant_packet; /* number of the packet that last told the grant */
	uint64_t grant_number;
	uint32_t bytes, n_chunks, n_missing;
	uint8_t state;	/* enum ftp_inbox_state */
	bool is_queued; /* in `untold` or `again`, once */
};

struct ftp_inbox {
	struct ftp_inbox_message *messages;
	uint64_t *bits; /* all of `seen` */
	struct ftp_idmap posted;
	struct ftp_queue free, untold, again, complete;
	uint32_t n_messages, max_chunks;
	uint32_t n_granted, n_granted_max; /* open at the peer; what it allows, 0: not known yet */
	uint32_t chunk_bytes;		   /* 0: not known yet */
	uint32_t recent;		   /* message of the last chunk, or NONE */
	uint64_t next_grant;
};

void ftp_inbox_init(struct ftp_inbox *b, uint32_t n_messages, uint32_t max_chunks);
void ftp_inbox_deinit(struct ftp_inbox *b);

/* A new term: forgets every message, and what the peer allows. */
void ftp_inbox_reset(struct ftp_inbox *b);

/* 0, 1: no room; -EEXIST: the id is posted already. Takes data until it is complete and taken. */
int ftp_inbox_post(
	struct ftp_inbox *b, const struct ftp_message_id *id, void *data, uint32_t bytes);

static inline bool ftp_inbox_has_grants(const struct ftp_inbox *b)
{
	return b->again.n || (b->untold.n && b->n_granted < b->n_granted_max);
}

/* The peer's HELLO: chunks and grants may be counted. */
void ftp_inbox_open(struct ftp_inbox *b, uint32_t chunk_bytes, uint32_t n_granted_max);

/* Takes up to FTP_FRAME_MAX_GRANTS grants that packet_number will tell. */
uint32_t ftp_inbox_grant(struct ftp_inbox *b, uint64_t packet_number, struct ftp_grant *grants);

/* packet_number was lost: what it told and is still open is to be told again; false: nothing is.
 * Looks at every message; only a loss pays for it. */
bool ftp_inbox_grant_lost(struct ftp_inbox *b, uint64_t packet_number);

/* Where the payload of a packet belongs; NULL: nobody waits for it. What is written there means
 * nothing until ftp_inbox_place(), so a packet need not be verified yet. */
uint8_t *ftp_inbox_room(struct ftp_inbox *b, const struct ftp_wire_header *h);

enum ftp_inbox_outcome {
	FTP_INBOX_PLACED = 0,
	FTP_INBOX_COMPLETED = 1,
	FTP_INBOX_DUPLICATE = 2,
	FTP_INBOX_UNPOSTED = 3, /* never granted in this term, or complete already */
};

/* A verified packet, whose payload is in its room if it has one. -EPROTO: contradicts what was
 * posted. */
int ftp_inbox_place(struct ftp_inbox *b, const struct ftp_wire_header *h);

/* Takes the oldest complete message; its memory is the caller's again. */
bool ftp_inbox_take(struct ftp_inbox *b, struct ftp_message_id *id, void **data, uint32_t *bytes);

#endif
