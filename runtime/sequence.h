/* The run as one sequence of micro-batches, the same on every stage: those of step 1, of step 2,
 * ...; after each step that eval_every divides, and after the last, one pass over the held-out
 * micro-batches. Pure; any thread. */
#ifndef FTP_RUNTIME_SEQUENCE_H
#define FTP_RUNTIME_SEQUENCE_H

#include <stdbool.h>
#include <stdint.h>

struct ftp_sequence {
	uint64_t first_step, last_step; /* inclusive; last_step >= first_step >= 1 */
	uint64_t eval_every;		/* steps; 0: only after the last */
	uint32_t n_micro;		/* micro-batches of a step */
	uint32_t n_eval;		/* micro-batches of an evaluation; may be 0 */
};

struct ftp_item {
	uint64_t index; /* from 0, without gaps */
	uint64_t step;	/* eval: the step after which it runs */
	uint32_t micro;
	bool eval;
	bool end; /* past the last item: index is the length, the rest is void */
};

struct ftp_item ftp_sequence_first(const struct ftp_sequence *s);
struct ftp_item ftp_sequence_next(const struct ftp_sequence *s, struct ftp_item item);

/* The index of an item that the peer names; UINT64_MAX when there is no such item. */
uint64_t ftp_sequence_index(const struct ftp_sequence *s, bool eval, uint64_t step, uint32_t micro);

/* Steps at whose end every schedule empties the pipeline: those with an evaluation after them, the
 * last, and the one before the first. The last of them before step; the first of them from step on.
 */
uint64_t ftp_sequence_drained_before(const struct ftp_sequence *s, uint64_t step);
uint64_t ftp_sequence_drains_at(const struct ftp_sequence *s, uint64_t step);

#endif
