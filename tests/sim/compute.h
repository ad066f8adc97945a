/* What a simulated stage computes: a unit's state is one number, which the oracle knows for each
 * step. It is the struct ftp_stage of these programs: what they take of the node's library
 * (runtime/replicas.h, states.h) needs no more of kernels/stage.h than is defined here, and a use
 * of anything else would define all of it twice. */
#ifndef FTP_TESTS_SIM_COMPUTE_H
#define FTP_TESTS_SIM_COMPUTE_H

#include "kernels/stage.h"
#include "tests/sim/oracle.h"

struct sim_unit {
	bool is_here;
	uint64_t step, state;
};

struct ftp_stage {
	struct oracle *oracle;
	const char *who;
	struct sim_unit units[ORACLE_MAX_UNITS];
};

struct sim_model { /* of so many units; only their states are of any size */
	struct ftp_model model;
	struct ftp_unit units[ORACLE_MAX_UNITS];
};

void sim_compute_model(struct sim_model *m, uint32_t n_units);

/* Memory of all nodes of all worlds: one region, so that its pages are found once. */
struct ftp_region *sim_compute_region(void);
void sim_compute_check_region(void); /* nobody has any of it */

#endif
