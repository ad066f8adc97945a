/* How the snapshots of one plan come about on a simulated node, after runtime/replicas.h: a step is
 * named, and what comes here is posted; after it the stage's units go into the node's store and to
 * others. One that hears of a step too late sends its units void. Two steps are under way at once;
 * others wait. There is always room in the store, and links need no rest. */
#ifndef FTP_TESTS_SIM_ROUNDS_H
#define FTP_TESTS_SIM_ROUNDS_H

#include "tests/sim/stage.h"

struct sim_rounds; /* opaque */

uint32_t sim_rounds_n_messages(const struct ftp_plan *plan); /* open on one connection at once */

struct sim_rounds *sim_rounds_new(struct sim_stage *s);
void sim_rounds_free(struct sim_rounds *r); /* after every link is closed; NULL: nothing happens */

void sim_rounds_name(struct sim_rounds *r, const struct ftp_retain *m);
void sim_rounds_stepped(struct sim_rounds *r, uint64_t step);
/* An event of the net loop; false: it is not about a replica. */
bool sim_rounds_event(struct sim_rounds *r, const struct ftp_netloop_event *e);

#endif
