#include "tests/sim/oracle.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/error.h"
#include "runtime/base/prng.h"

#define LL(x) ((unsigned long long)(x))

uint64_t oracle_update(uint64_t state, uint32_t unit, uint64_t step)
{
	return ftp_prng_mix(state ^ ftp_prng_mix(step << 16 | unit));
}

double oracle_loss(uint64_t state)
{
	return (double)(state >> 40);
}

void oracle_init(
	struct oracle *o, struct sim_world *w, uint64_t seed, uint32_t n_units, uint64_t last_step)
{
	memset(o, 0, sizeof(*o));
	o->world = w;
	o->n_units = n_units;
	o->last_step = last_step;
	o->states = calloc(last_step + 1, sizeof(*o->states));
	o->steps = calloc(last_step + 1, sizeof(*o->steps));
	ftp_assert(o->states && o->steps && n_units <= ORACLE_MAX_UNITS);
	for (uint32_t u = 0; u < n_units; u++) {
		o->states[0][u] = ftp_prng_key(seed, FTP_PRNG_INIT, u);
		for (uint64_t s = 1; s <= last_step; s++)
			o->states[s][u] = oracle_update(o->states[s - 1][u], u, s);
	}
}

void oracle_free(struct oracle *o)
{
	free(o->states);
	free(o->steps);
}

void oracle_fail(struct oracle *o, const char *fmt, ...)
{
	va_list ap;

	if (o->failure[0])
		return;
	va_start(ap, fmt);
	vsnprintf(o->failure, sizeof(o->failure), fmt, ap);
	va_end(ap);
	sim_say(o->world, "!!!", "%s", o->failure);
}

static bool is_known(struct oracle *o, const char *who, uint64_t term)
{
	ftp_assert(term < ORACLE_MAX_TERMS);
	if (o->terms[term].committed && !o->terms[term].abandoned)
		return true;
	oracle_fail(o, "%s trains under term %llu, which was %s", who, LL(term),
		o->terms[term].abandoned ? "abandoned" : "never committed");
	return false;
}

void oracle_committed(struct oracle *o, uint64_t term, uint32_t n_stages)
{
	ftp_assert(term < ORACLE_MAX_TERMS);
	if (o->terms[term].committed)
		oracle_fail(o, "term %llu is committed anew", LL(term));
	o->terms[term].committed = true;
	o->terms[term].n_stages = n_stages;
	if (o->terms[term].abandoned)
		oracle_fail(o, "term %llu is committed after it was abandoned", LL(term));
}

void oracle_abandoned(struct oracle *o, uint64_t term)
{
	ftp_assert(term < ORACLE_MAX_TERMS);
	o->terms[term].abandoned = true;
	if (o->terms[term].committed)
		oracle_fail(o, "term %llu is abandoned after it was committed", LL(term));
}

void oracle_goes_back(struct oracle *o, uint64_t step)
{
	for (uint64_t s = step + 1; s <= o->last_step; s++)
		memset(&o->steps[s], 0, sizeof(o->steps[s]));
}

void oracle_restores(struct oracle *o, const char *who, uint32_t unit, uint64_t step, uint64_t term)
{
	if (o->steps[step].term != term)
		oracle_fail(o,
			"%s has unit %u after step %llu as term %llu trained it, but term %llu did",
			who, unit, LL(step), LL(term), LL(o->steps[step].term));
}

bool oracle_is_complete(const struct oracle *o, uint64_t step)
{
	uint64_t term = o->steps[step].term;

	return term && o->steps[step].updated == (UINT64_C(1) << o->terms[term].n_stages) - 1;
}

void oracle_starts(struct oracle *o, const char *who, uint64_t term, uint64_t after_step)
{
	if (!is_known(o, who, term))
		return;
	for (uint64_t s = 1; s <= o->last_step; s++) {
		if (s <= after_step ? !oracle_is_complete(o, s)
				    : o->steps[s].term && o->steps[s].term != term)
			oracle_fail(o, "%s begins term %llu after step %llu, but step %llu was %s",
				who, LL(term), LL(after_step), LL(s),
				s <= after_step ? "not trained by every stage"
						: "trained under another term");
	}
}

void oracle_has(struct oracle *o, const char *who, uint32_t unit, uint64_t step, uint64_t state)
{
	if (step > o->last_step || state != o->states[step][unit])
		oracle_fail(o, "%s has unit %u as of step %llu, but it is not that", who, unit,
			LL(step));
}

void oracle_forward(struct oracle *o, const char *who, uint64_t step, uint64_t drained)
{
	if (o->steps[step].has_drained && o->steps[step].drained != drained)
		oracle_fail(o,
			"%s forwards step %llu with the weights that follow a hold at %llu, "
			"another stage with those of a hold at %llu",
			who, LL(step), LL(drained), LL(o->steps[step].drained));
	o->steps[step].has_drained = true;
	o->steps[step].drained = drained;
}

void oracle_trained(struct oracle *o, const char *who, uint64_t term, uint32_t stage, uint64_t step)
{
	uint64_t bit = UINT64_C(1) << stage;

	if (!is_known(o, who, term))
		return;
	ftp_assert(step >= 1 && step <= o->last_step);
	if (o->steps[step].term && o->steps[step].term != term)
		oracle_fail(o, "%s trains step %llu under term %llu; another did under term %llu",
			who, LL(step), LL(term), LL(o->steps[step].term));
	else if (o->steps[step].updated & bit)
		oracle_fail(o, "%s trains step %llu, stage %u, again", who, LL(step), stage);
	o->steps[step].term = term;
	o->steps[step].updated |= bit;
}

void oracle_row(struct oracle *o, uint64_t step, double loss)
{
	if (step != o->last_row + 1 || step > o->last_step)
		oracle_fail(
			o, "the row of step %llu follows that of %llu", LL(step), LL(o->last_row));
	else if (loss != oracle_loss(o->states[step][o->n_units - 1]))
		oracle_fail(o, "the loss of step %llu is not what training it gives", LL(step));
	else if (!oracle_is_complete(o, step) &&
		 !(o->steps[step].term &&
			 o->steps[step].updated >> (o->terms[o->steps[step].term].n_stages - 1)))
		oracle_fail(o, "the row of step %llu comes before its update", LL(step));
	o->last_row = step;
}
