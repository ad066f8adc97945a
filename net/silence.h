/* Silence of a connection's peer: how long may it last before the peer counts as lost? By rule as
 * long as the caller's timeout. But a peer that computes speaks at least every FTP_SILENCE_BEAT_NS,
 * unless its thread is busy with a task; how long those take it shows, and one that is watched may
 * be silent for some times its longest gap of late. When that is wrong it costs a recovery, never
 * correctness. Pure; the connection's thread.
 *
 * The longest gap, not a median: tasks are few and of very different length, and what comes once in
 * some steps, as a snapshot does, is no reason to lose a peer. What was borne only because more was
 * allowed than ever is remembered for longer.
 */
#ifndef FTP_NET_SILENCE_H
#define FTP_NET_SILENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/clock.h"

#define FTP_SILENCE_BEAT_NS   (100 * FTP_NS_PER_MS) /* whoever has not spoken for so long does */
#define FTP_SILENCE_WINDOW_NS (500 * FTP_NS_PER_MS)
#define FTP_SILENCE_WINDOWS   32 /* that are remembered */
#define FTP_SILENCE_TIMES     4
/* A node that is silent altogether is to be found by its heartbeats first (ctl/detector.h). */
#define FTP_SILENCE_LEAST_NS  (800 * FTP_NS_PER_MS)
#define FTP_SILENCE_ABSENT_NS (200 * FTP_NS_PER_MS)
#define FTP_SILENCE_MEMORY_NS (600 * FTP_NS_PER_S) /* of gaps that are longer than LEAST */

struct ftp_silence {
	uint64_t timeout_ns; /* while it is not watched, and at most */
	uint64_t heard_ns;   /* it counts from here */
	uint64_t looked_ns;  /* the last look */
	bool is_excused;     /* for the time before */

	bool is_watched;
	uint64_t watched_ns;		      /* since when */
	uint64_t least_ns, least_until_ns;    /* as much is allowed, until then */
	uint64_t window_ns;		      /* the present one began */
	uint64_t gap_ns[FTP_SILENCE_WINDOWS]; /* the longest in each window, a ring */
	uint32_t window;
	double narrowest; /* the longest gap / what was allowed then */
};

void ftp_silence_init(struct ftp_silence *s, uint64_t timeout_ns, uint64_t now_ns);

/* From now on, or still; what is known of its gaps stays. For FTP_SILENCE_MEMORY_NS least_ns is
 * allowed. */
void ftp_silence_watch(struct ftp_silence *s, uint64_t least_ns, uint64_t now_ns);
void ftp_silence_relax(struct ftp_silence *s);

/* A look at what has come begins. Where there was none in a while, the peer is excused for it, once
 * in a silence: what it said may still be on its way to here. */
void ftp_silence_look(struct ftp_silence *s, uint64_t now_ns);
void ftp_silence_heard(struct ftp_silence *s, uint64_t now_ns);

/* How much is allowed. */
uint64_t ftp_silence_wait_ns(const struct ftp_silence *s);

/* When the peer counts as lost, unless it is heard before. */
static inline uint64_t ftp_silence_deadline_ns(const struct ftp_silence *s)
{
	return s->heard_ns + ftp_silence_wait_ns(s);
}

#endif
