/* Is another plan worth its pause? */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ctl/coordinator_state.h"

/* Of a pause: what no byte explains, and the rate of a link that was not measured. */
#define PAUSE_S		 0.05
#define LEAD_S		 1.0 /* of a change, before its pause, while none was made */
#define ASSUMED_BYTES_PS 1e9

/* Unit states travel whole while all stages stand still. */
static double pause_seconds(const struct ftp_coordinator *c, const struct ftp_planner_plan *to)
{
	double pause_s = PAUSE_S;

	for (uint32_t i = 0, from = 0; i < to->n_stages; i++) {
		for (uint32_t u = to->first_unit[i]; u < to->first_unit[i + 1]; u++) {
			uint64_t rate;

			while (u >= c->plan.stages[from].end_unit)
				from++;
			if (c->plan.stages[from].node == to->node[i])
				continue;
			rate = c->links[c->plan.stages[from].node][to->node[i]].bytes_per_s;
			pause_s += (double)c->settings.units[u].state_bytes /
				   (rate ? (double)rate : ASSUMED_BYTES_PS);
		}
	}
	return pause_s;
}

/* That the run has left when a new plan could be in force: preparing it takes a while. */
static double steps_left(const struct ftp_coordinator *c, double step_s)
{
	const double *last_s = c->parts_s;
	double lead_s = c->n_committed ? last_s[FTP_PART_PREPARE] + last_s[FTP_PART_HOLD] : LEAD_S;
	double left = (double)(c->last_step - c->last_row) - (step_s > 0 ? lead_s / step_s : 0);

	return left > 0 ? left : 0;
}

static void weigh(const struct ftp_coordinator *c, struct ftp_coordinator_verdict *v)
{
	const struct ftp_config_repartition *r = &c->config->training.repartition;
	double now_s = (double)v->now.step_ns / 1e9, best_s = (double)v->best.step_ns / 1e9;
	double pause_s = pause_seconds(c, &v->best.plan);
	double n = fmin(steps_left(c, now_s), (double)r->horizon), won_s = (now_s - best_s) * n;

	v->same = ftp_coordinator_in_force(c, &v->best.plan);
	v->gain = best_s > 0 ? now_s / best_s : 1;
	v->pays = !v->same && v->gain >= 1 + r->min_gain && won_s > 2 * pause_s;
	if (v->same)
		snprintf(v->why, sizeof(v->why), "the plan in force is the best one");
	else if (v->gain < 1 + r->min_gain)
		snprintf(v->why, sizeof(v->why),
			"the best plan's step would take %.1f ms instead of %.1f ms: less gain "
			"than "
			"training.repartition.min_gain (%g) asks for",
			best_s * 1e3, now_s * 1e3, r->min_gain);
	else if (!v->pays)
		snprintf(v->why, sizeof(v->why),
			"the best plan would win %.2f s within %.0f steps, not twice its pause of "
			"about %.2f s",
			won_s, n, pause_s);
	else
		snprintf(v->why, sizeof(v->why),
			"a step would take %.1f ms instead of %.1f ms, which repays a pause of "
			"about %.2f s",
			best_s * 1e3, now_s * 1e3, pause_s);
}

int ftp_coordinator_judge(const struct ftp_coordinator *c, uint64_t nodes,
	const struct ftp_planner_plan *order, struct ftp_coordinator_verdict *v,
	struct ftp_error *err)
{
	struct ftp_planner_plan in_force;
	int rc;

	ftp_coordinator_target_in_force(c, &in_force);
	rc = ftp_coordinator_predict(c, &in_force, &v->now, err);
	if (!rc)
		rc = ftp_coordinator_best(c, nodes, order, &v->best, err);
	if (!rc)
		weigh(c, v);
	return rc;
}

static json_t *nodes_of(const struct ftp_coordinator *c)
{
	json_t *nodes = json_array();

	for (uint32_t i = 0; i < c->n_nodes; i++)
		json_array_append_new(
			nodes, json_pack("{s:s, s:s, s:f, s:I}", "name", c->config->nodes[i].name,
				       "state", ftp_coordinator_node_state(c, i), "slowness",
				       c->nodes[i].slowness.value, "memory_bytes",
				       (json_int_t)c->config->nodes[i].memory_bytes));
	return nodes;
}

static json_t *seconds_if(double s)
{
	return s > 0 ? json_real(s) : json_null();
}

json_t *ftp_coordinator_plan_report(const struct ftp_coordinator *c)
{
	struct ftp_coordinator_verdict v = {.pays = false};
	json_t *now = json_null(), *best = json_null();
	struct ftp_error err = {"there is no plan yet"};
	bool known = c->plan.term > 0 &&
		     !ftp_coordinator_judge(c, ftp_coordinator_usable(c), NULL, &v, &err);
	json_t *j;

	if (known) {
		now = ftp_coordinator_answer_json(c, &v.now);
		best = ftp_coordinator_answer_json(c, &v.best);
		json_object_set_new(
			now, "measured_step_seconds", seconds_if(ftp_coordinator_step_seconds(c)));
	}
	j = json_pack("{s:I, s:o, s:o, s:o, s:b, s:s, s:o}", "term", (json_int_t)c->plan.term,
		"in_force", now, "best", best, "gain", known ? json_real(v.gain - 1) : json_null(),
		"would_repartition", v.pays && !strcmp(c->config->training.cuts, "auto"), "why",
		known ? v.why : err.text, "nodes", nodes_of(c));
	ftp_assert(j);
	return j;
}
