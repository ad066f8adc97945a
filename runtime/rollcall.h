/* Roll call: which peers of a plan are there.
 *
 * Of a plan that is being prepared, links are opened as soon as it is heard of, whatever there is
 * to build or to fetch: who has not answered within FTP_ROLLCALL_NS is not reached. Of one that was
 * lost because it was silent it is known by then that the link may be down: in a recovery, where
 * nobody computes, it is not waited for longer than it was silent, FTP_ROLLCALL_DOUBTED_NS at
 * least.
 *
 * While a plan is in force, peers are watched (net/silence.h) from its second step on, when all
 * have shown what their tasks take, until others may be at the end and gather what is large. One
 * that was lost and answers the next call at once had been busy: some times as much is allowed to
 * all peers for FTP_SILENCE_MEMORY_NS, or servers that are slow now and then would be lost one
 * after the other.
 *
 * Peers are numbered by their place among the plan's members. One thread.
 */
#ifndef FTP_RUNTIME_ROLLCALL_H
#define FTP_RUNTIME_ROLLCALL_H

#include "ctl/protocol.h"
#include "runtime/base/clock.h"
#include "runtime/netloop.h"

#define FTP_ROLLCALL_NS		FTP_LINK_SILENCE_NS
#define FTP_ROLLCALL_DOUBTED_NS FTP_NS_PER_S

struct ftp_rollcall {
	uint64_t unheard, doubted; /* peers; doubted ones are unheard */
	bool is_answered;	   /* by any */
	uint64_t began_ns, doubted_ns;
	struct { /* by node of the config */
		uint64_t incarnation;
		uint64_t silence_ns; /* that it was lost by; 0: it was heard since */
		uint32_t n_calls;
	} silent[FTP_CONFIG_MAX_NODES];
	uint32_t n_steps;		 /* done since it began, or rested */
	uint64_t busy_ns, busy_until_ns; /* as much is allowed */
};

/* The plan's links are opened; self is this node's place. */
void ftp_rollcall_begin(
	struct ftp_rollcall *r, const struct ftp_plan *plan, int self, uint64_t now_ns);

void ftp_rollcall_heard(
	struct ftp_rollcall *r, const struct ftp_plan *plan, int peer, uint64_t now_ns);

/* It has left the plan, and says to the coordinator why: that decides, and if it does not, the peer
 * is as one that was never heard. */
void ftp_rollcall_left(struct ftp_rollcall *r, int peer, uint64_t now_ns);

/* When somebody is not reached unless heard before; FTP_NS_NEVER: all are heard. */
uint64_t ftp_rollcall_deadline_ns(const struct ftp_rollcall *r);

/* Who is not reached, by now; 0: nobody. Only those who are doubted, at first, unless nobody at all
 * has answered. why: how long that took, "did not answer this stage within 10.0 s". */
uint64_t ftp_rollcall_unreached(
	const struct ftp_rollcall *r, uint64_t now_ns, char *why, size_t bytes);

/* "n2, n3 " and why. Returns text. */
const char *ftp_rollcall_describe(
	const struct ftp_plan *plan, uint64_t peers, const char *why, char *text, size_t bytes);

/* The plan is in force. */
void ftp_rollcall_start(struct ftp_rollcall *r, const struct ftp_plan *plan, int self,
	struct ftp_netloop *net, uint64_t now_ns);
/* It has done a step, and goes on. */
void ftp_rollcall_stepped(struct ftp_rollcall *r, const struct ftp_plan *plan, int self,
	struct ftp_netloop *net, uint64_t step, uint64_t now_ns);
/* It is to stand still: nobody is watched until another step is done. */
void ftp_rollcall_rest(struct ftp_rollcall *r, struct ftp_netloop *net);

/* Of the plan in force: lost because it was silent for so long. */
void ftp_rollcall_lost(
	struct ftp_rollcall *r, const struct ftp_plan_stage *peer, uint64_t silence_ns);

#endif
