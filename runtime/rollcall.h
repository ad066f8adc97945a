/* Roll call: which peers have answered the links of a plan that is being prepared. Links are opened
 * as soon as the plan is heard of, whatever there is to build or to fetch: who is not heard within
 * FTP_ROLLCALL_NS is not reached. Of one that was lost because it was silent it is known by then
 * that the link may be down: in a recovery, where nobody computes, it is not waited for longer than
 * it was silent, FTP_ROLLCALL_DOUBTED_NS at least. If it answers, it had been busy: some times as
 * much is allowed from then on, or who takes so long for a task would be lost again and again. One
 * thread.
 *
 * Peers are numbered by their place among the plan's members.
 */
#ifndef FTP_RUNTIME_ROLLCALL_H
#define FTP_RUNTIME_ROLLCALL_H

#include "ctl/protocol.h"
#include "runtime/base/clock.h"
#include "runtime/netloop.h"

#define FTP_ROLLCALL_NS		(10 * FTP_NS_PER_S)
#define FTP_ROLLCALL_DOUBTED_NS FTP_NS_PER_S

struct ftp_rollcall {
	uint64_t unheard, doubted; /* peers; doubted ones are unheard */
	uint64_t began_ns, doubted_ns;
	struct { /* by node of the config */
		uint64_t incarnation;
		uint64_t silence_ns; /* that it was lost by; 0: it was heard since */
		bool is_unreached;   /* since then: the link was down */
		uint64_t least_ns;   /* allowed: it had been busy, and may be again */
	} silent[FTP_CONFIG_MAX_NODES];
};

/* The plan's links are opened; self is this node's place. */
void ftp_rollcall_begin(
	struct ftp_rollcall *r, const struct ftp_plan *plan, int self, uint64_t now_ns);

void ftp_rollcall_heard(struct ftp_rollcall *r, const struct ftp_plan *plan, int peer);

/* It has left the plan, and says to the coordinator why: that decides, and if it does not, the peer
 * is as one that was never heard. */
void ftp_rollcall_left(struct ftp_rollcall *r, int peer, uint64_t now_ns);

/* Of the plan in force: lost because it was silent for so long. */
void ftp_rollcall_silent(
	struct ftp_rollcall *r, const struct ftp_plan_stage *peer, uint64_t silence_ns);

/* The plan is in force, and goes on: the silence of those whom it connects to is judged. */
void ftp_rollcall_watch(const struct ftp_rollcall *r, const struct ftp_plan *plan, int self,
	struct ftp_netloop *net, uint64_t now_ns);

/* When somebody is not reached unless heard before; FTP_NS_NEVER: all are heard. */
uint64_t ftp_rollcall_deadline_ns(const struct ftp_rollcall *r);

/* Who is not reached, by now; 0: nobody. why: how long that took, "did not answer this stage within
 * 10.0 s". */
uint64_t ftp_rollcall_unreached(struct ftp_rollcall *r, const struct ftp_plan *plan,
	uint64_t now_ns, char *why, size_t bytes);

/* "n2, n3 " and why. Returns text. */
const char *ftp_rollcall_describe(
	const struct ftp_plan *plan, uint64_t peers, const char *why, char *text, size_t bytes);

#endif
