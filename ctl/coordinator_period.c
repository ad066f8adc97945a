/* How often snapshots are taken: as the configuration says, or, where it leaves that to us, as
 * fresh as its limits allow (ctl/freshness.h). What is measured: the step time, and what each stage
 * tells of the time that snapshots took it; how much travels follows from the plan. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ctl/coordinator_state.h"
#include "ctl/freshness.h"

#define LL(x) ((unsigned long long)(x))

#define N_ON_THEIR_WAY 4 /* snapshots, at most, the one in question included */
#define SETTLE_MOST_S  1e6

bool ftp_coordinator_period_is_auto(const struct ftp_coordinator *c)
{
	return c->config->snapshot.every == FTP_CONFIG_AUTO;
}

/* Steps that the last stage may be ahead of the first. */
static uint64_t n_ahead(const struct ftp_coordinator *c)
{
	bool is_1f1b = c->config->training.schedule == FTP_SCHEDULE_1F1B;

	return is_1f1b && c->plan.n_stages ? c->plan.n_stages - 1 : 0;
}

uint64_t ftp_coordinator_period(const struct ftp_coordinator *c)
{
	uint64_t every = c->config->snapshot.every, ahead = n_ahead(c);

	if (ftp_coordinator_period_is_auto(c))
		return c->snapshots.period.every;
	if (!every)
		return 0;
	return every > ahead ? every - ahead : 1;
}

uint64_t ftp_coordinator_global_period(const struct ftp_coordinator *c)
{
	return c->config->snapshot.global_every == FTP_CONFIG_AUTO
		       ? c->snapshots.period.global_every
		       : c->config->snapshot.global_every;
}

static uint64_t bytes_of(const struct ftp_coordinator *c, const struct ftp_plan_stage *s)
{
	uint64_t bytes = 0;

	for (uint32_t u = s->first_unit; u < s->end_unit; u++)
		bytes += c->settings.units[u].state_bytes;
	return bytes;
}

/* A stage's states go to the next one, those of the last one to the first. */
static uint64_t most_sent(const struct ftp_coordinator *c)
{
	uint64_t most = 0;

	for (uint32_t i = 0; c->plan.n_stages > 1 && i < c->plan.n_stages; i++) {
		uint64_t bytes = bytes_of(c, &c->plan.stages[i]);

		most = bytes > most ? bytes : most;
	}
	return most;
}

/* Of a global one the central node receives all but its own. */
static uint64_t received_by_the_central_node(const struct ftp_coordinator *c)
{
	uint64_t bytes = 0;

	for (uint32_t i = 1; i < c->plan.n_stages; i++)
		bytes += bytes_of(c, &c->plan.stages[i]);
	return bytes;
}

static double most_cost_s(const struct ftp_coordinator *c)
{
	uint64_t most = 0;

	for (uint32_t i = 0; i < c->plan.n_stages; i++) {
		uint64_t cost = c->snapshots.period.cost_ns[c->plan.stages[i].node];

		most = cost > most ? cost : most;
	}
	return (double)most / (double)FTP_NS_PER_S;
}

double ftp_coordinator_period_step_seconds(const struct ftp_coordinator *c)
{
	double measured_s = ftp_coordinator_step_seconds(c);

	return measured_s > 0 ? measured_s : c->predicted_s;
}

/* Longer after each that was given up: it may only be slow. */
uint64_t ftp_coordinator_settle_ns(const struct ftp_coordinator *c)
{
	uint64_t limit = c->config->snapshot.max_bandwidth_bytes;
	uint64_t bytes = most_sent(c), received = received_by_the_central_node(c);
	uint64_t rate =
		limit && limit < FTP_COORDINATOR_BYTES_PER_S ? limit : FTP_COORDINATOR_BYTES_PER_S;
	double s = (double)FTP_COORDINATOR_SETTLE_NS / (double)FTP_NS_PER_S +
		   FTP_COORDINATOR_HOLD_STEPS * ftp_coordinator_period_step_seconds(c) +
		   N_ON_THEIR_WAY *
			   (double)(c->snapshots.is_global && received > bytes ? received : bytes) /
			   (double)rate;

	s = ldexp(s, (int)c->snapshots.period.n_given_up);
	return (uint64_t)((s < SETTLE_MOST_S ? s : SETTLE_MOST_S) * (double)FTP_NS_PER_S);
}

void ftp_coordinator_period_look(struct ftp_coordinator *c, struct ftp_actions *a)
{
	const struct ftp_config_snapshot *config = &c->config->snapshot;
	struct ftp_coordinator_period *p = &c->snapshots.period;
	struct ftp_freshness_load load = {.step_s = ftp_coordinator_period_step_seconds(c),
		.bytes = most_sent(c),
		.max_bytes_per_s = config->max_bandwidth_bytes,
		.cost_s = most_cost_s(c),
		.max_share = config->max_share};
	uint64_t before = p->every;

	p->every = ftp_freshness_period(p->every, &load);
	load.bytes = received_by_the_central_node(c);
	load.cost_s = 0;
	p->global_every = ftp_freshness_period(p->global_every, &load);
	if (!ftp_coordinator_period_is_auto(c) || p->every == before)
		return;
	ftp_actions_log(a, FTP_LOG_INFO,
		"snapshots: one every %llu steps from now on: %.1f MB on a link, %.2f ms of a "
		"stage, steps of %.2f ms",
		LL(p->every), (double)most_sent(c) / 1e6, most_cost_s(c) * 1e3, load.step_s * 1e3);
}

void ftp_coordinator_period_cost(struct ftp_coordinator *c, uint32_t node, uint64_t cost_ns)
{
	c->snapshots.period.spent_ns[node] += cost_ns;
}

/* The mean of the last few, where a new one counts for a quarter. */
void ftp_coordinator_period_taken(struct ftp_coordinator *c)
{
	struct ftp_coordinator_period *p = &c->snapshots.period;

	for (uint32_t i = 0; i < c->n_nodes; i++) {
		p->cost_ns[i] =
			p->cost_ns[i] ? (3 * p->cost_ns[i] + p->spent_ns[i]) / 4 : p->spent_ns[i];
		p->spent_ns[i] = 0;
	}
}

/* The plan has more stages than snapshot.every has steps: no period keeps that promise. */
static void warn_of_the_plan(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	uint64_t every = c->config->snapshot.every, ahead = n_ahead(c);
	char why[300];

	if (!every || ftp_coordinator_period_is_auto(c) || every > ahead)
		return;
	snprintf(why, sizeof(why),
		"a loss may take back %llu steps, though snapshot.every is %llu: with 1f1b the "
		"last of %u stages is up to %llu steps ahead of the first; set snapshot.every to "
		"%llu or more, or use fewer stages",
		LL(ahead + 1), LL(every), c->plan.n_stages, LL(ahead), LL(ahead + 1));
	ftp_actions_log(a, FTP_LOG_WARNING, "%s", why);
	ftp_coordinator_event(c, "snapshots_too_often", json_pack("{s:s}", "why", why), now_ns, a);
}

/* Another plan: other stages, other costs. */
void ftp_coordinator_period_begin(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	struct ftp_coordinator_period *p = &c->snapshots.period;

	memset(p->cost_ns, 0, sizeof(p->cost_ns));
	memset(p->spent_ns, 0, sizeof(p->spent_ns));
	warn_of_the_plan(c, now_ns, a);
}

double ftp_coordinator_age_seconds(const struct ftp_coordinator *c)
{
	const struct ftp_coordinator_snapshots *s = &c->snapshots;
	uint64_t from_ns = s->stable_step ? s->period.stable_ns : c->train_start_ns;

	if (!ftp_coordinator_snapshots_age(c) || !from_ns || c->last_row_ns < from_ns)
		return 0;
	return (double)(c->last_row_ns - from_ns) / (double)FTP_NS_PER_S;
}

void ftp_coordinator_period_row(struct ftp_coordinator *c, uint64_t step, uint64_t now_ns)
{
	if (step == c->snapshots.next)
		c->snapshots.period.next_ns = now_ns;
	if (step >= c->snapshots.stable_step && !c->snapshots.period.stable_ns)
		c->snapshots.period.stable_ns =
			now_ns; /* it was stable before its loss was known */
}
