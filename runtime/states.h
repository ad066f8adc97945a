/* Unit states on their way: each leaves the member that holds it and goes to the one that takes it,
 * once, in canonical form, named by (unit, step). A change of plan moves units so, and the end of
 * the run brings all of them to the central node.
 *
 * A state's memory is filled once, by the export or by the network, and serves digest, sending and
 * importing. The worker's thread, but for new and free: any.
 */
#ifndef FTP_RUNTIME_STATES_H
#define FTP_RUNTIME_STATES_H

#include "ctl/protocol.h"
#include "kernels/stage.h"
#include "runtime/netloop.h"

struct ftp_states; /* opaque */

struct ftp_states_spec {
	const struct ftp_model *model;	  /* lent */
	int self;			  /* peer number of this member */
	int from[FTP_PROTOCOL_MAX_UNITS]; /* members; negative: the unit does not concern us */
	int to[FTP_PROTOCOL_MAX_UNITS];	  /* from == to == self: it is exported, and stays */
};

/* -ENOMEM. All memory is touched here, not when it is in a hurry. */
int ftp_states_new(
	struct ftp_states **out, const struct ftp_states_spec *spec, struct ftp_error *err);
void ftp_states_free(struct ftp_states *s); /* after the links are closed, or when done */

/* Posts the units that come here, as of step; one without a state is there already. */
void ftp_states_post(struct ftp_states *s, struct ftp_netloop *net, uint64_t step);

/* The unit's state, where it does not come from the stage. */
void ftp_states_fill(struct ftp_states *s, uint32_t unit, const void *state);

/* After the post. Exports the units that are here from stage (NULL: those that go are filled), and
 * sends those that go. */
void ftp_states_send(
	struct ftp_states *s, struct ftp_stage *stage, struct ftp_netloop *net, uint64_t now_ns);

/* false: not an event of these states. *unit: the one that has come, or -1 for one that is gone. */
bool ftp_states_event(struct ftp_states *s, const struct ftp_netloop_event *e, int *unit);

/* Nothing is posted or lent any more. */
bool ftp_states_is_idle(const struct ftp_states *s);

/* Of a unit that is here: exported or received. */
const void *ftp_states_data(const struct ftp_states *s, uint32_t unit);
struct ftp_digest ftp_states_digest(const struct ftp_states *s, uint32_t unit);

bool ftp_states_sends(const struct ftp_states *s, uint32_t unit);
bool ftp_states_takes(const struct ftp_states *s, uint32_t unit);

#endif
