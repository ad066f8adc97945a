/* What the programs of tests/sim share: options, one case after another, and what they amount to.
 *
 *   PROGRAM [TRACES] [--sweep I | --drop I | --seed S] [--seeds N] [--seconds N] [--every N]
 *           [--snapshots | --storm | --site | --turns] [--first] [--trace]
 *
 * A case that fails prints the command that runs it alone; with --trace it tells its life. --first:
 * ends with the first random run that fails.
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
	bool has_seed, trace, snapshots, storm, site, turns, first;
	const char *program;
};

extern struct harness_options harness_options;
extern char harness_label[200]; /* of the case under way; ends with a newline */

void harness_read_options(int argc, char **argv);

/* false: an invariant broke, which it has said unless is_quiet. */
bool harness_run(struct sim_spec *spec);
bool harness_run_quietly(struct sim_spec *spec, char *failure, size_t bytes);

/* What there was since the last one: cases, faults by kind, wall time; fails if there were bad
 * cases. */
void harness_report(const char *what, unsigned n_bad);

/* The moments of a run that nothing happens to but what the spec says: free() them. It completes.
 * Returns how many there are. */
uint32_t harness_moments(const struct sim_spec *spec, struct sim_moment **moments);
/* The nth moment, from 1, of those whose name begins so. */
uint32_t harness_find_moment(const struct sim_spec *spec, const char *what, unsigned nth);

#define HARNESS_MAX_STRIKES 2

/* A named life: a scenario with a fault or two. From the first one on, or from where the scenario's
 * window opens, its trace is that in the folder of traces, which FTP_TRACES_WRITE=1 writes anew for
 * review. */
struct harness_life {
	const char *name;
	struct harness_strike {
		const char *moment; /* NULL: there is no such fault */
		unsigned nth;
		struct sim_fault fault;
	} strikes[HARNESS_MAX_STRIKES];
	const char *waited_for; /* NULL: for nobody */
};
void harness_check_lives(
	const struct sim_spec *scenario, const struct harness_life *lives, size_t n);

/* Since the first case after the last report. */
double harness_seconds(void);

#endif
