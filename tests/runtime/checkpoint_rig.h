/* A checkpoint on a simulated disk, turned until it is done, and what it ought to hold. */
#ifndef FTP_TESTS_CHECKPOINT_RIG_H
#define FTP_TESTS_CHECKPOINT_RIG_H

#include "runtime/checkpoint.h"
#include "tests/runtime/simulated_disk.h"

#define RIG_MAX_UNITS 64
#define RIG_RUN	      0x1234u
#define RIG_SEGMENT   8192 /* bytes: small, so that segments are added and recycled */

/* A unit's state: its bytes follow from its name. */
struct rig_state {
	uint32_t unit;
	uint64_t term, step, bytes;
};

struct rig_set {
	uint32_t n;
	struct rig_state states[RIG_MAX_UNITS];
};

struct rig {
	struct simulated_disk *disk;
	struct ftp_checkpoint *store;
	struct ftp_checkpoint_event event; /* of the last activity */
	/* Called after each submitted operation; may be NULL. */
	void (*submitted)(struct rig *r, void *arg);
	void *arg;
	uint8_t *lent[RIG_MAX_UNITS];
	uint32_t n_lent;
};

struct ftp_checkpoint_spec rig_spec(void);
/* Takes the disk. Opens; the event says how. */
void rig_open(struct rig *r, struct simulated_disk *disk, const struct ftp_checkpoint_spec *spec);
void rig_close(struct rig *r); /* frees the disk too */

struct ftp_checkpoint_name rig_name(const struct rig_state *s);
void rig_data(const struct rig_state *s, uint8_t *out);
/* What ftp_checkpoint_put() says; the data is overwritten when its event has come. */
int rig_put(struct rig *r, const struct rig_set *set);
/* Until the event, and until nothing is under way. */
void rig_turn(struct rig *r);

/* All of the records are good, and are these, in any order. */
bool rig_holds(const struct rig *r, const struct rig_set *set);
bool rig_reads(struct rig *r, const struct rig_state *s); /* and it is what it should be */

void rig_add(struct rig_set *set, uint32_t unit, uint64_t term, uint64_t step, uint64_t bytes);
/* What should be kept of both. */
struct rig_set rig_after(const struct rig_set *before, const struct rig_set *put, uint32_t keep);

#endif
