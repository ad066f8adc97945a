/* What must always hold of a cluster, whatever fails. It sees every update that any stage makes and
 * knows what each unit's state must be after each step; the first contradiction is kept. */
#ifndef FTP_TESTS_SIM_ORACLE_H
#define FTP_TESTS_SIM_ORACLE_H

#include "tests/sim/world.h"

#define ORACLE_MAX_TERMS 256
#define ORACLE_MAX_UNITS 16

struct oracle {
	struct sim_world *world;
	uint32_t n_units;
	uint64_t last_step;
	uint64_t (*states)[ORACLE_MAX_UNITS]; /* by step: what each unit is after it */
	struct {
		uint64_t term;	  /* that trained it; 0: none yet */
		uint64_t updated; /* stages */
		bool has_drained;
		uint64_t drained; /* the hold that its first forward followed */
	} * steps;
	struct {
		bool committed, abandoned; /* told to some node */
		uint32_t n_stages;
	} terms[ORACLE_MAX_TERMS];
	uint64_t last_row;
	bool is_gathered; /* stage 0 has all units of the last step */
	char failure[400];
};

void oracle_init(
	struct oracle *o, struct sim_world *w, uint64_t seed, uint32_t n_units, uint64_t last_step);
void oracle_free(struct oracle *o);

void oracle_fail(struct oracle *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A unit's state after its update of step. */
uint64_t oracle_update(uint64_t state, uint32_t unit, uint64_t step);
double oracle_loss(uint64_t state); /* of the last unit */

void oracle_committed(struct oracle *o, uint64_t term, uint32_t n_stages);
void oracle_abandoned(struct oracle *o, uint64_t term);
/* Training goes on after this step: what was trained after it does not count. */
void oracle_goes_back(struct oracle *o, uint64_t step);
/* A state from a store, trained by term, is used: it is of the history that counts. */
void oracle_restores(
	struct oracle *o, const char *who, uint32_t unit, uint64_t step, uint64_t term);
void oracle_starts(struct oracle *o, const char *who, uint64_t term, uint64_t after_step);
void oracle_has(struct oracle *o, const char *who, uint32_t unit, uint64_t step, uint64_t state);
/* Of 1F1B: which weights a forward uses follows from the last hold; all stages must agree. */
void oracle_forward(struct oracle *o, const char *who, uint64_t step, uint64_t drained);
void oracle_trained(
	struct oracle *o, const char *who, uint64_t term, uint32_t stage, uint64_t step);
void oracle_row(struct oracle *o, uint64_t step, double loss);
bool oracle_is_complete(const struct oracle *o, uint64_t step); /* on every stage of one plan */

#endif
