/* Doorbell between the two ends of a polled ring: wakes a peer that sleeps, costs a fence and a
 *load while it does not, and notices that the peer is gone.
 *
 * Two words in shared memory say who is asleep; one SOCK_SEQPACKET connection carries the ring (a
 * one-byte message) and ends with the peer's life. Either the sleeper sees what was published
 *before the ring, or the publisher sees that it sleeps (Dekker's argument; both sides have a full
 *fence between their store and their load):
 *
 *	sleeper: arm() = asleep := 1; fence; look once more; sleep on the descriptor; disarm()
 *	publisher: publish; ring() = fence; if (asleep) wake
 *
 * One thread per end.
 */
#ifndef FTP_NET_DOORBELL_H
#define FTP_NET_DOORBELL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/error.h"

struct ftp_doorbell_words {
	struct {
		_Alignas(64) _Atomic uint32_t asleep;
	} end[2];
};

struct ftp_doorbell {
	struct ftp_doorbell_words *words; /* shared with the peer */
	int socket; /* connected, owned; readable when the peer rang or is gone */
	int self;   /* our end: 0 or 1 */
	bool gone;  /* the peer is; final */
};

/* In one process. -ENOMEM, -EMFILE. */
int ftp_doorbell_pair(struct ftp_doorbell ends[2], struct ftp_error *err);

/* End 0 makes the words and sends them over socket, which it takes on success, together with
 * greeting; end 1 maps what ftp_seqpacket_receive() gave it: takes memory, and socket on success.
 */
int ftp_doorbell_offer(struct ftp_doorbell *d, int socket, const void *greeting, size_t bytes,
	struct ftp_error *err);
int ftp_doorbell_take(struct ftp_doorbell *d, int socket, int memory, struct ftp_error *err);

void ftp_doorbell_close(struct ftp_doorbell *d);

/* Out of line, for ftp_doorbell_ring(). */
void ftp_doorbell_wake(struct ftp_doorbell *d);

static inline void ftp_doorbell_ring(struct ftp_doorbell *d)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&d->words->end[!d->self].asleep, memory_order_relaxed))
		ftp_doorbell_wake(d);
}

/* Returns the descriptor to sleep on. */
int ftp_doorbell_arm(struct ftp_doorbell *d);
void ftp_doorbell_disarm(struct ftp_doorbell *d);

/* Asks the kernel: one system call, for polls that found nothing. Sets and returns gone. */
bool ftp_doorbell_check(struct ftp_doorbell *d);

#endif
