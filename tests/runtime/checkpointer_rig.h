/* A node's checkpoint, on a simulated disk but where another is given, with the test in the place
 * of its worker. The model is lenet5; byte by byte a state follows from its unit and step. */
#ifndef FTP_TESTS_CHECKPOINTER_RIG_H
#define FTP_TESTS_CHECKPOINTER_RIG_H

#include "runtime/checkpointer.h"
#include "tests/runtime/simulated_disk.h"

#define RUN  0x77u
#define TERM 3

struct rig {
	struct ftp_model *model;
	struct ftp_region *region;
	struct ftp_snapshots *store;
	struct simulated_disk *disk;
	struct ftp_checkpointer *k;
	struct ftp_config_checkpoint config;
	uint64_t patience_ns;
	struct ftp_persisted told;
	struct ftp_error why;
};

/* disk is taken; NULL: none. */
void rig_open(struct rig *r, struct simulated_disk *disk);
void rig_open_on(struct rig *r, struct ftp_disk *disk); /* any one */
void rig_close(struct rig *r);
/* A node's process begins, with nothing in its store; and ends. */
void rig_begin(struct rig *r, struct simulated_disk *disk);
void rig_begin_on(struct rig *r, struct ftp_disk *disk); /* any disk, taken */
void rig_end(struct rig *r);
/* kill -9, and another process: its files are there. */
void rig_restart(struct rig *r);
/* The same, on a disk whose first n operations hang, with little patience. */
void rig_restart_hung(struct rig *r, uint64_t n);

/* The node's store gets the state, or those of all units. */
void rig_hold(struct rig *r, uint32_t unit, uint64_t step, uint64_t term);
void rig_hold_all(struct rig *r, uint64_t step);
/* node.retain that names this step for the disk; durable: the one that is on disks whole. */
void rig_ask(struct rig *r, uint64_t step, uint64_t durable);
/* Until something is told; false: nothing comes any more. */
bool rig_turn(struct rig *r);
/* All three; what was told may be a failure. */
void rig_put(struct rig *r, uint64_t step);

/* How many units of that step an inventory lists of the disk. */
uint32_t rig_listed(const struct rig *r, uint64_t step);
/* What there is to do for a recovery that asks for the state; time passes, 5 ms a turn. false: it
 * does not come, r->why says why. */
bool rig_fetch(struct rig *r, uint32_t unit, uint64_t step);
/* It comes, and is right. */
void rig_assert_fetched(struct rig *r, uint32_t unit, uint64_t step);

#endif
