/* Whole runs drawn from a seed: nodes, units, plans, orders of the operator, faults. */
#ifndef FTP_TESTS_SIM_DRAW_H
#define FTP_TESTS_SIM_DRAW_H

#include "tests/sim/cluster.h"

enum draw_kind {
	DRAW_CHANGES,	/* without snapshots: any loss ends the run */
	DRAW_SNAPSHOTS, /* nodes may be lost, and may come back */
	DRAW_STORM,	/* one loss after the other, and snapshots at nearly every step */
	DRAW_SITE,	/* with disks: the power fails, coordinators and nodes die */
	DRAW_TURNS,	/* likewise, again and again, and nodes are away by turns */
	DRAW_N_KINDS,
};

struct sim_spec draw_spec(uint64_t seed, enum draw_kind kind);

#endif
