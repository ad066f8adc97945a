/* Messages that one connection sends: what the receiver has granted, what is still to be sent first
 * or again, what is acknowledged. Knows nothing of packet numbers or time. One owner; nothing is
 * allocated after ftp_outbox_init().
 *
 * A message is sent only when its receiver has told that it is posted (a grant); whichever of grant
 * and send comes first waits for the other. Credit is by message and not one sum of bytes: with a
 * sum, a message that nobody has posted yet can use up the credit of the one that the receiver
 * waits for, and both wait for ever.
 */
#ifndef FTP_NET_OUTBOX_H
#define FTP_NET_OUTBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "net/buffer.h"
#include "net/frames.h"
#include "net/idmap.h"
#include "net/port.h"
#include "net/queue.h"

#define FTP_OUTBOX_N_CLASSES 3 /* a lower class goes first */

enum ftp_outbox_state {
	FTP_OUTBOX_FREE,
	FTP_OUTBOX_WAITING, /* for its grant */
	FTP_OUTBOX_OPEN,
	FTP_OUTBOX_DONE, /* every byte is acknowledged; waits for the port to let go of it */
};

struct ftp_outbox_message {
	struct ftp_message_id id;
	struct ftp_buffer *buffer;
	uint64_t *acked;     /* one bit a chunk */
	uint32_t generation; /* of this place: names one message in its life */
	uint32_t n_chunks, next_chunk, n_unacked;
	uint8_t class, state;
};

/* A chunk of a message, by names that outlive the message. */
struct ftp_outbox_chunk {
	uint32_t message, generation, chunk;
};

struct ftp_outbox_lost { /* chunks to be sent again, first in first out */
	struct ftp_outbox_chunk *ring;
	uint32_t mask, head, tail;
};

struct ftp_outbox {
	struct ftp_outbox_message *messages;
	uint64_t *bits;		  /* all of `acked` */
	struct ftp_idmap waiting; /* id to place */
	struct ftp_idmap granted; /* id to bytes; grants that no send has used yet */
	struct ftp_ranges grants_seen;
	struct ftp_queue free, done;
	struct ftp_queue fresh[FTP_OUTBOX_N_CLASSES]; /* open, with chunks that were never sent */
	struct ftp_outbox_lost lost[FTP_OUTBOX_N_CLASSES];
	uint32_t n_messages, max_chunks, chunk_bytes;
};

/* n_grants: that may wait for their send(); max_lost: chunks that can be in flight at once. */
void ftp_outbox_init(struct ftp_outbox *o, uint32_t n_messages, uint32_t n_grants,
	uint32_t max_chunks, uint32_t max_lost);
void ftp_outbox_deinit(struct ftp_outbox *o);

/* A new term: forgets every message and grant. */
void ftp_outbox_reset(struct ftp_outbox *o);

/* The peer's HELLO; no grant is told before. */
void ftp_outbox_open(struct ftp_outbox *o, uint32_t chunk_bytes);

/* 0; 1: no room; -EEXIST: the id waits already; -EPROTO: the receiver posted another size. */
int ftp_outbox_send(struct ftp_outbox *o, const struct ftp_message_id *id, uint8_t class,
	struct ftp_buffer *buffer);

/* 0; 1: cannot be remembered now, the peer must tell it again; -EPROTO: contradicts what is sent,
 * or more grants than n_grants. */
int ftp_outbox_grant(struct ftp_outbox *o, const struct ftp_grant *grant);

/* Is there a chunk to send in a class up to max_class? */
bool ftp_outbox_has_chunk(const struct ftp_outbox *o, uint8_t max_class);

/* Takes the next chunk: classes in order, lost before fresh. false: there is none. */
bool ftp_outbox_next(
	struct ftp_outbox *o, uint8_t max_class, struct ftp_outbox_chunk *chunk, bool *is_again);

/* The message of a chunk, or NULL when the chunk need not be sent any more. */
struct ftp_outbox_message *ftp_outbox_live(
	const struct ftp_outbox *o, const struct ftp_outbox_chunk *chunk);

void ftp_outbox_acked(struct ftp_outbox *o, const struct ftp_outbox_chunk *chunk);
/* To be sent again, unless that is pointless by now. */
void ftp_outbox_lost(struct ftp_outbox *o, const struct ftp_outbox_chunk *chunk);

/* Likewise, without knowing that it is lost: nothing is added when something of its class waits to
 * be sent again already, which serves as well. false: sending it again is pointless. */
bool ftp_outbox_probe(struct ftp_outbox *o, const struct ftp_outbox_chunk *chunk);

/* Gives a message back that is acknowledged and that port holds no more. false: there is none. */
bool ftp_outbox_take(struct ftp_outbox *o, struct ftp_port *port, struct ftp_message_id *id,
	void **data, uint32_t *bytes);

#endif
