/* The stage of a plan on a simulated node: real schedule (runtime/schedule.h), real connections to
 * its peers in a real net loop (runtime/netloop.h), over which real unit states and replicas go
 * (runtime/states.h, replicas.h); tasks take virtual time (tests/sim/compute.h is what they
 * compute). Items are named, posted and lent as runtime/pipeline.c does it; their memory is the
 * network's until the net loop gives it back. */
#ifndef FTP_TESTS_SIM_STAGE_H
#define FTP_TESTS_SIM_STAGE_H

#include "ctl/protocol.h"
#include "runtime/netloop.h"
#include "runtime/replicas.h"
#include "runtime/schedule.h"
#include "runtime/states.h"
#include "tests/sim/compute.h"
#include "tests/sim/parcel.h"

struct sim_node;

enum sim_boundary { /* memory of a slot, by what it is */
	SIM_INPUT,
	SIM_LABELS,
	SIM_OUTPUT_GRAD,
	SIM_OUTPUT,
	SIM_INPUT_GRAD,
	SIM_LABELS_SENT,
	SIM_N_BOUNDARIES
};

struct sim_slot {
	uint64_t words[SIM_N_BOUNDARIES][SIM_ITEM_WORDS];
	struct ftp_buffer buffers[SIM_N_BOUNDARIES]; /* of those that are sent */
};

struct sim_stage {
	struct sim_node *node;
	struct ftp_plan plan;
	int member;
	uint64_t serial;	 /* of the node's stages: names its timers */
	struct ftp_netloop *net; /* peers by member; NULL: not connected yet */
	struct ftp_port *ports[FTP_CONFIG_MAX_NODES];
	bool has_step; /* step is known; the schedule exists on a stage */
	uint64_t step; /* it begins after */
	struct ftp_schedule schedule;
	struct sim_slot *slots;
	struct ftp_stage compute;
	struct ftp_states *states, *gather; /* NULL: not built; not at the end */
	struct ftp_snapshot_places *places; /* until it begins */
	struct ftp_replicas *replicas;
	bool is_running;
	struct ftp_task task;
	uint64_t compute_ns;	/* of the step under way */
	struct sim_stage *next; /* of the node's that are retired */
};

struct sim_stage *sim_stage_new(struct sim_node *n, const struct ftp_plan *plan, uint64_t serial);
void sim_stage_build(struct sim_stage *s);
void sim_stage_connect(struct sim_stage *s);
void sim_stage_disconnect(struct sim_stage *s); /* closes the links */
void sim_stage_free(struct sim_stage *s);	/* likewise */

bool sim_stage_is_stage(const struct sim_stage *s);
/* Posts the units that come here, as of that step. */
void sim_stage_begin(struct sim_stage *s, uint64_t after_step);
/* The units that go leave for their new owners: as now has them; NULL: as they are filled. */
void sim_stage_give(struct sim_stage *s, struct sim_stage *now);
void sim_stage_copy(struct sim_stage *next, struct sim_stage *now);
/* It is in force: snapshots of it go into the node's store. */
void sim_stage_start(struct sim_stage *s);

/* The units of the last step go to the central node. */
void sim_stage_gather(struct sim_stage *s);
bool sim_stage_is_gathered(const struct sim_stage *s);

/* stage_items.c: admits and starts what can be; true: the last step is done. */
bool sim_stage_turn(struct sim_stage *s);
/* The task under way ends; true: it was the update of a step. */
bool sim_stage_end_task(struct sim_stage *s);
void sim_stage_begin_items(struct sim_stage *s);
/* An event of the net loop; false: it is not about an item. */
bool sim_stage_event(struct sim_stage *s, const struct ftp_netloop_event *e);

#endif
