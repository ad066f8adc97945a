/* The stage of a plan on a simulated node: real schedule (runtime/schedule.h), real connections to
 * its peers in a real net loop (runtime/netloop.h), tasks that take virtual time, and units whose
 * state is one number. Messages are named, posted and lent as runtime/pipeline.c, states.c and
 * gather.c do it; their memory is the network's until the net loop gives it back. */
#ifndef FTP_TESTS_SIM_STAGE_H
#define FTP_TESTS_SIM_STAGE_H

#include "ctl/protocol.h"
#include "runtime/netloop.h"
#include "runtime/schedule.h"
#include "tests/sim/oracle.h"
#include "tests/sim/parcel.h"

struct sim_node;
struct sim_rounds;

struct sim_unit {
	bool is_here;
	uint64_t step, state;
};

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

struct sim_state { /* of a unit, on its way */
	uint64_t words[SIM_STATE_WORDS];
	struct ftp_buffer buffer;
};

struct sim_stage {
	struct sim_node *node;
	struct ftp_plan plan;
	int member;
	uint64_t serial;	 /* of the node's stages: names its timers */
	struct ftp_netloop *net; /* peers by member; NULL: not connected yet */
	struct ftp_port *ports[FTP_CONFIG_MAX_NODES];
	uint64_t unheard; /* members, peers not yet there */
	uint64_t connect_deadline_ns;
	bool has_step; /* step is known; the schedule exists on a stage */
	uint64_t step; /* it begins after */
	struct ftp_schedule schedule;
	struct sim_slot *slots;
	struct sim_unit units[ORACLE_MAX_UNITS];
	struct sim_state *travelling[ORACLE_MAX_UNITS]; /* from or to here; NULL: not yet */
	struct sim_state *gathered[ORACLE_MAX_UNITS];
	uint32_t n_to_gather; /* messages posted or lent */
	struct sim_rounds *rounds;
	bool is_running;
	struct ftp_task task;
	uint64_t compute_ns;	/* of the step under way */
	struct sim_stage *next; /* of the node's that are retired */
};

struct sim_stage *sim_stage_new(struct sim_node *n, const struct ftp_plan *plan, uint64_t serial);
void sim_stage_connect(struct sim_stage *s);
void sim_stage_disconnect(struct sim_stage *s); /* closes the links */
void sim_stage_free(struct sim_stage *s);	/* likewise */

bool sim_stage_is_stage(const struct sim_stage *s);
/* Posts the units that come here, as of that step. */
void sim_stage_begin(struct sim_stage *s, uint64_t after_step);
/* The unit leaves for its new owner, as it is after the step that the stage begins after. */
void sim_stage_give(struct sim_stage *s, uint32_t unit, uint64_t state);
void sim_stage_copy(struct sim_stage *next, const struct sim_stage *now);
#define SIM_CONTENT 3 /* words of a unit's state, as its digest and disks see it */
void sim_stage_content(const struct sim_unit *u, uint32_t unit, uint64_t content[SIM_CONTENT]);
struct ftp_digest sim_stage_digest(const struct sim_unit *u, uint32_t unit);

/* stage_items.c: admits and starts what can be; true: the last step is done. */
bool sim_stage_turn(struct sim_stage *s);
/* The task under way ends; true: it was the update of a step. */
bool sim_stage_end_task(struct sim_stage *s);
void sim_stage_begin_items(struct sim_stage *s);
/* An event of the net loop; false: it is not about an item. */
bool sim_stage_event(struct sim_stage *s, const struct ftp_netloop_event *e);

/* A unit's state has come: of id, whole, or the oracle knows. */
enum sim_parcel_kind sim_stage_take_state(
	struct sim_stage *s, const struct ftp_netloop_event *e, struct sim_unit *u);
/* It is gone. */
void sim_stage_sent_state(struct sim_state *x);

/* The units of the last step go to the central node. */
void sim_stage_gather(struct sim_stage *s);

#endif
