/* What the programs of tests/sim share: options, one case after another, and what they amount to.
 *
 *   PROGRAM [TRACES] [--sweep I | --drop I | --seed S] [--seeds N] [--seconds N] [--every N]
 *           [--snapshots | --storm | --site] [--first] [--trace]
 *
 * A case that fails prints how to run it alone; with --trace it tells its life. --first: ends with
 * the first random run that fails.
 */
#ifndef FTP_TESTS_SIM_HARNESS_H
#define FTP_TESTS_SIM_HARNESS_H

#include "tests/base/check.h"
#include "tests/sim/cluster.h"

struct harness_options {
	const char *traces;
	long sweep, drop; /* -1: all */
	uint64_t seed, n_seeds;
	uint64_t n_seconds; /* 0: as many as n_seeds; else as many as fit */
	uint32_t every;
	bool has_seed, trace, snapshots, storm, site, first;
};

extern struct harness_options harness_options;
extern char harness_label[200]; /* of the case under way; ends with a newline */

void harness_read_options(int argc, char **argv);

/* false: an invariant broke, which it has said unless is_quiet. */
bool harness_run(struct sim_spec *spec);
bool harness_run_quietly(struct sim_spec *spec, char *failure, size_t bytes);

/* Counts since the last one, by kind, and the wall time; fails if there were bad cases. */
void harness_report(const char *what, unsigned n_bad);

/* With the file of that name in the folder of traces, which FTP_TRACES_WRITE=1 writes anew. */
void harness_compare(const char *name, const char *trace);

/* Since the first case after the last report. */
double harness_seconds(void);

#endif
