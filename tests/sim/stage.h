/* The stage of a plan on a simulated node: real schedule (runtime/schedule.h), links of its own,
 * tasks that take virtual time, and units whose state is one number. */
#ifndef FTP_TESTS_SIM_STAGE_H
#define FTP_TESTS_SIM_STAGE_H

#include "ctl/protocol.h"
#include "runtime/schedule.h"
#include "tests/sim/oracle.h"

struct sim_node;

struct sim_unit {
	bool is_here;
	uint64_t step, state;
};

enum sim_packet_kind {
	SIM_PART,     /* of an item: what a schedule waits for */
	SIM_ACK,      /* of a part */
	SIM_STATE,    /* of a unit, on its way to its new owner */
	SIM_REPLICA,  /* the same, of a snapshot */
	SIM_GATHER,   /* the same, to the central node at the end */
	SIM_GATHERED, /* it has all units of the sender */
};

struct sim_packet {
	enum sim_packet_kind kind;
	enum ftp_schedule_part part; /* PART: as it is for the receiver; ACK: for the sender */
	uint64_t index;		     /* of the item */
	uint32_t unit;
	uint64_t step, state;
};

struct sim_stage {
	struct sim_node *node;
	struct ftp_plan plan;
	int member;
	uint64_t serial;			      /* of the node's stages: names its timers */
	struct sim_conn *links[FTP_CONFIG_MAX_NODES]; /* by member */
	uint64_t unheard;			      /* members, peers not yet there */
	uint64_t connect_deadline_ns;
	bool has_step; /* step is known; the schedule exists on a stage */
	uint64_t step; /* it begins after */
	struct ftp_schedule schedule;
	struct sim_unit units[ORACLE_MAX_UNITS];
	struct sim_unit come[ORACLE_MAX_UNITS];		     /* before the step was known */
	struct sim_packet early[4 * FTP_SCHEDULE_MAX_SLOTS]; /* their slot is not posted yet */
	uint32_t n_early;
	bool is_running;
	struct ftp_task task;
	uint64_t compute_ns; /* of the step under way */
};

struct sim_stage *sim_stage_new(struct sim_node *n, const struct ftp_plan *plan, uint64_t serial);
void sim_stage_connect(struct sim_stage *s);
void sim_stage_free(struct sim_stage *s); /* closes the links */
int sim_stage_member_of(const struct sim_stage *s, const struct sim_conn *c);

bool sim_stage_is_stage(const struct sim_stage *s);
void sim_stage_begin(struct sim_stage *s, uint64_t after_step);
/* A snapshot of its units, to the next stage and if asked to the central node. */
void sim_stage_replicate(struct sim_stage *s, bool is_global);
/* The units that leave now for new owners in next. */
void sim_stage_give(struct sim_stage *now, struct sim_stage *next);
void sim_stage_copy(struct sim_stage *next, const struct sim_stage *now);
#define SIM_CONTENT 3 /* words of a unit's state, as its digest and disks see it */
void sim_stage_content(const struct sim_unit *u, uint32_t unit, uint64_t content[SIM_CONTENT]);
struct ftp_digest sim_stage_digest(const struct sim_unit *u, uint32_t unit);

/* Admits and starts what can be; true: the last step is done. */
bool sim_stage_turn(struct sim_stage *s);
/* The task under way ends; true: it was the update of a step. */
bool sim_stage_end_task(struct sim_stage *s);
void sim_stage_send(struct sim_stage *s, int member, const struct sim_packet *p);
/* PART or ACK. */
void sim_stage_take(struct sim_stage *s, int from, const struct sim_packet *p);

#endif
