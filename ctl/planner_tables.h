/* What the planner's parts share: sums over ranges of units, and the tables that a search fills.
 * Pure; one thread per tables. */
#ifndef FTP_CTL_PLANNER_TABLES_H
#define FTP_CTL_PLANNER_TABLES_H

#include "ctl/planner.h"

/* Larger than any time that adds up, small enough that two of them still add. */
#define FTP_PLANNER_NEVER (UINT64_C(1) << 63)

struct ftp_planner_sums {				/* of one node: units [0, i) */
	uint64_t forward_ns[FTP_PLANNER_MAX_UNITS + 1]; /* of one micro-batch */
	uint64_t micro_ns[FTP_PLANNER_MAX_UNITS + 1];	/* one micro-batch, there and back */
	uint64_t busy_ns[FTP_PLANNER_MAX_UNITS + 1]; /* a step: every micro-batch, and the update */
};

/* -EINVAL: a step's times add up to more than max_ns. */
int ftp_planner_tables_sum(struct ftp_planner_sums *sums, const struct ftp_planner_times *times,
	uint32_t n_units, uint32_t micro_batches, uint64_t max_ns, struct ftp_error *err);

struct ftp_planner_hop {  /* of one cut between two nodes */
	uint64_t path_ns; /* one micro-batch, there and back, latency included */
	uint64_t late_ns; /* of it the latencies */
	uint64_t busy_ns; /* a step's transfers in the slower direction */
};

struct ftp_planner_tables {
	const struct ftp_planner_problem *problem; /* lent */
	struct ftp_planner_sums nodes[FTP_PLANNER_MAX_NODES];
	uint64_t moved_bytes[FTP_PLANNER_MAX_NODES][FTP_PLANNER_MAX_UNITS + 1]; /* of [0, i), what
										   is elsewhere */
	uint64_t copy_bytes[FTP_PLANNER_MAX_UNITS + 1]; /* of [0, i), one copy of each state */
	bool has_current; /* a valid plan of the problem is in force */

	/* [(stages that follow * n_units + first) * n_units + end - 1] */
	uint64_t *room_bytes;
	/* [(node * n_nodes + stages that follow) * n_units + first]: where the longest stage that
	 * fits the memory ends; first: none does. */
	uint16_t *fit_end;
	uint64_t (*starts)[4]; /* [row of the space]: bit of each unit that a stage may start at */

	/* For a search only. */
	uint64_t ahead_ns[FTP_PLANNER_MAX_UNITS +
			  1];	      /* in a flush: no way through [0, i) is faster */
	struct ftp_planner_hop *hops; /* [(from * n_nodes + to) * n_units + cut] */
	uint16_t *time_end;	      /* [node * n_units + first]: as fit_end, by the time limit */
	uint64_t *value_ns;	      /* [row * n_units + first]: least suffix, or NEVER */
	uint64_t
		*trip_ns; /* [row * n_units + first]: of value_ns in a flush, a micro-batch's way */
	uint16_t (*reach)[2];  /* [row]: first and last unit with a value; {1, 0}: none */
	uint64_t *least_bytes; /* [row * n_units + first]: moved at least, or NEVER */
};

/* One allocation; NULL and err: -EINVAL or -ENOMEM in *rc. Freed by free(). */
struct ftp_planner_tables *ftp_planner_tables_new(
	const struct ftp_planner_problem *problem, bool search, int *rc, struct ftp_error *err);

static inline uint64_t ftp_planner_micro_ns(
	const struct ftp_planner_tables *t, uint32_t node, uint32_t first, uint32_t end)
{
	return t->nodes[node].micro_ns[end] - t->nodes[node].micro_ns[first];
}

static inline uint64_t ftp_planner_forward_ns(
	const struct ftp_planner_tables *t, uint32_t node, uint32_t first, uint32_t end)
{
	return t->nodes[node].forward_ns[end] - t->nodes[node].forward_ns[first];
}

static inline uint64_t ftp_planner_busy_ns(
	const struct ftp_planner_tables *t, uint32_t node, uint32_t first, uint32_t end)
{
	return t->nodes[node].busy_ns[end] - t->nodes[node].busy_ns[first];
}

static inline uint64_t ftp_planner_update_ns(
	const struct ftp_planner_tables *t, uint32_t node, uint32_t first, uint32_t end)
{
	return ftp_planner_busy_ns(t, node, first, end) -
	       t->problem->micro_batches * ftp_planner_micro_ns(t, node, first, end);
}

/* A flush: how long a stage's first forward is before its last backward, around the stages after
 * it.
 *
 * after_ns is that of the next stage, hop_ns what a cut adds to a micro-batch's way there and back.
 * Either the stages after decide: then this one adds its own work on one micro-batch. Or this one
 * does: its work on all of them, and what it must wait. With w micro-batches in flight, w - 1
 * forwards fill the first one's way there and back, w - 1 backwards the last one's; where w is all
 * of them, the two are one. A way there and back through k even stages is k / (M + k - 1) of what
 * they need for M: exact for one stage, and close where it matters, in plans that are nearly even.
 */
struct ftp_planner_span {
	uint64_t micro_batches, in_flight, n_after; /* M, w, k */
};

static inline struct ftp_planner_span ftp_planner_span_of(uint64_t micro_batches, uint32_t n_after)
{
	return (struct ftp_planner_span){.micro_batches = micro_batches,
		.in_flight = n_after + 1 < micro_batches ? n_after + 1 : micro_batches,
		.n_after = n_after};
}

/* A micro-batch's way there and back through stages that need span_ns for all of them, s being the
 * first of them. */
static inline uint64_t ftp_planner_span_trip_ns(const struct ftp_planner_span *s, uint64_t span_ns)
{
	return span_ns * (s->n_after + 1) / (s->micro_batches + s->n_after);
}

/* The stage decides. */
static inline uint64_t ftp_planner_span_own_ns(const struct ftp_planner_span *s,
	uint64_t forward_ns, uint64_t backward_ns, uint64_t trip_ns)
{
	uint64_t fill_ns = (s->in_flight - 1) * forward_ns;
	uint64_t drain_ns = (s->in_flight - 1) * backward_ns;
	uint64_t wait_ns = trip_ns > fill_ns ? trip_ns - fill_ns : 0;
	uint64_t last_ns = trip_ns > drain_ns ? trip_ns - drain_ns : 0;

	if (s->in_flight < s->micro_batches)
		wait_ns += last_ns;
	else if (last_ns > wait_ns)
		wait_ns = last_ns;
	return s->micro_batches * (forward_ns + backward_ns) + wait_ns;
}

/* Copies of unit states that stage s of the plan keeps. */
uint64_t ftp_planner_tables_copies(
	const struct ftp_planner_tables *t, const struct ftp_planner_plan *plan, uint32_t s);

/* Memory of a stage that n_after stages follow, without such copies. */
uint64_t ftp_planner_tables_bytes(
	const struct ftp_planner_tables *t, uint32_t n_after, uint32_t first, uint32_t end);

/* The most that it or any part of it takes, with as many copies as any plan needs. Grows with the
 * range. */
static inline uint64_t ftp_planner_tables_room(
	const struct ftp_planner_tables *t, uint32_t n_after, uint32_t first, uint32_t end)
{
	uint32_t n_units = t->problem->n_units;

	return t->room_bytes[(n_after * n_units + first) * n_units + end - 1];
}

/* What a node has for a new plan. */
uint64_t ftp_planner_tables_limit(const struct ftp_planner_tables *t, uint32_t node);

struct ftp_planner_hop ftp_planner_tables_hop(
	const struct ftp_planner_tables *t, uint32_t from, uint32_t to, uint32_t cut);

#endif
