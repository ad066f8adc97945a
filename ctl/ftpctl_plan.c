/* What the nodes can do, and how the planner would use them. Neither changes anything. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/config_model.h"
#include "ctl/document.h"
#include "ctl/ftpctl.h"
#include "ctl/ftpctl_run.h"
#include "ctl/measured.h"
#include "ctl/plan_problem.h"
#include "ctl/plan_view.h"
#include "ctl/planner_json.h"
#include "ctl/protocol.h"
#include "runtime/base/clock.h"

#define ASK_NS (10 * FTP_NS_PER_S)

/* A configuration, its model, and what was measured for them. */
struct site {
	struct ftp_config *config;
	struct ftp_model *model;
	json_t *measured;
	bool live; /* of a run that is going on */
};

static void free_site(struct site *s)
{
	json_decref(s->measured);
	ftp_model_free(s->model);
	ftp_config_free(s->config);
}

static int fail(const struct ftp_options *o, int rc, const struct ftp_error *err)
{
	return ftp_ftpctl_fail(
		o, rc == -EINVAL ? FTP_EXIT_USAGE : (enum ftp_exit)ftp_options_exit(rc), err->text);
}

static int load_model(struct site *s, const struct ftp_options *o)
{
	const struct ftp_model_spec spec = ftp_config_model_spec(s->config);
	struct ftp_error err;
	int rc = ftp_model_new(&s->model, &spec, &err);

	return rc ? fail(o, rc, &err) : 0;
}

/* The run's own configuration. */
static int load_run(struct site *s, const struct ftp_ftpctl_run *r, const struct ftp_options *o)
{
	char path[FTP_PATHS_MAX];
	struct ftp_error err;

	ftp_rundir_file(&r->dir, FTP_RUNDIR_CONFIG, path);
	if (ftp_config_load(&s->config, path, NULL, 0, &err))
		return ftp_ftpctl_fail(o, FTP_EXIT_CONFIG, err.text);
	return load_model(s, o);
}

static int load_file(struct site *s, const struct ftp_options *o)
{
	int rc = ftp_ftpctl_load(&s->config, o);

	return rc ? rc : load_model(s, o);
}

static int measure_here(struct site *s, const struct ftp_options *o, const char *node)
{
	struct ftp_error err;
	int rc;

	fprintf(stderr, "measuring %s on this machine...\n", node ? node : "every node");
	rc = ftp_measured_here(&s->measured, s->config, node, &err);
	return rc ? fail(o, rc, &err) : 0;
}

/* Of the run that is going on. */
static int profile_of_run(struct site *s, const struct ftp_ftpctl_run *r,
	const struct ftp_options *o, const char *node)
{
	int rc = load_run(s, r, o);

	s->live = true;
	if (rc)
		return rc;
	s->measured = ftp_measured_of_run(&r->dir);
	if (!s->measured)
		return ftp_ftpctl_fail(o, FTP_EXIT_FAILURE,
			"the run has measured nothing yet, or never will as its cuts are given; "
			"stop it, and ftpctl profile measures");
	if (node && !ftp_measured_node(s->measured, node))
		return ftp_ftpctl_fail(
			o, FTP_EXIT_USAGE, "the run has not measured a node of that name");
	return 0;
}

static int print_profile(const struct site *s, const struct ftp_options *o, const char *node)
{
	if (!o->json) {
		ftp_plan_view_profile(stdout, s->measured, node, s->model);
		return FTP_EXIT_OK;
	}
	json_object_set_new(s->measured, "ok", json_true());
	json_object_set_new(s->measured, "model", json_string(s->model->name));
	json_object_set_new(s->measured, "micro_batch",
		json_integer(s->config->training.batch / s->config->training.micro_batches));
	ftp_ftpctl_print_json(json_incref(s->measured));
	return FTP_EXIT_OK;
}

int ftp_ftpctl_profile(const struct ftp_options *o)
{
	const char *node = o->n_operands ? o->operands[0] : NULL;
	struct site s = {.config = NULL};
	struct ftp_ftpctl_run r;
	int rc = ftp_ftpctl_find_run(&r, o);

	if (rc)
		return rc;
	if (r.supervisor)
		rc = profile_of_run(&s, &r, o, node);
	else
		rc = load_file(&s, o);
	if (!rc && !r.supervisor)
		rc = measure_here(&s, o, node);
	if (!rc)
		rc = print_profile(&s, o, node);
	free_site(&s);
	return rc;
}

static int plan_of_run(const struct ftp_ftpctl_run *r, const struct ftp_options *o)
{
	json_t *answer = NULL;
	struct ftp_error err;
	int rc = ftp_ftpctl_ask(r, FTP_METHOD_PLAN, NULL, ASK_NS, &answer, &err);

	if (rc)
		return ftp_ftpctl_fail(
			o, rc == -EPROTO ? FTP_EXIT_FAILURE : FTP_EXIT_DEGRADED, err.text);
	if (o->json) {
		json_object_set_new(answer, "ok", json_true());
		json_object_set_new(answer, "run", json_string(r->dir.id));
		ftp_ftpctl_print_json(answer);
		return FTP_EXIT_OK;
	}
	ftp_plan_view_live(stdout, answer);
	json_decref(answer);
	return FTP_EXIT_OK;
}

/* Would a unit take as long under both? */
static bool is_same_work(const struct ftp_config *a, const struct ftp_config *b)
{
	const struct ftp_config_training *x = &a->training, *y = &b->training;
	bool same = !strcmp(x->model, y->model) && x->width == y->width &&
		    x->strides == y->strides && x->batch == y->batch &&
		    x->micro_batches == y->micro_batches && x->threads == y->threads &&
		    !strcmp(x->isa, y->isa);

	for (uint32_t i = 0; same && i < b->n_nodes; i++) {
		int before = ftp_config_find_node(a, b->nodes[i].name);

		same = before >= 0 &&
		       a->nodes[before].emulate.slowdown == b->nodes[i].emulate.slowdown;
	}
	return same;
}

/* From --profile FILE, the last run if it did the same work, or anew. */
static int find_measured(
	struct site *s, const struct ftp_ftpctl_run *r, const struct ftp_options *o)
{
	struct ftp_config *last;
	char path[FTP_PATHS_MAX];
	struct ftp_error err;
	int rc;

	if (o->profile) {
		rc = ftp_measured_read(&s->measured, o->profile, &err);
		return rc ? fail(o, rc, &err) : 0;
	}
	if (r->dir.id[0]) {
		ftp_rundir_file(&r->dir, FTP_RUNDIR_CONFIG, path);
		if (!ftp_config_load(&last, path, NULL, 0, NULL)) {
			if (is_same_work(last, s->config))
				s->measured = ftp_measured_of_run(&r->dir);
			ftp_config_free(last);
		}
	}
	return s->measured ? 0 : measure_here(s, o, NULL);
}

/* What an equal split over all nodes in the configuration's order would take; 0: it cannot be. */
static double equal_step_s(const struct ftp_plan_problem *p)
{
	const struct ftp_planner_equal_problem equal = {.units = p->times[0],
		.n_units = p->problem.n_units,
		.n_stages = p->problem.n_nodes,
		.micro_batches = p->problem.micro_batches};
	struct ftp_planner_equal_answer cuts;
	struct ftp_planner_answer answer;
	struct ftp_planner_plan plan = {.n_stages = p->problem.n_nodes};

	if (ftp_planner_equal(&equal, &cuts, NULL))
		return 0;
	for (uint32_t i = 0; i < plan.n_stages; i++)
		plan.node[i] = i;
	memcpy(plan.first_unit, cuts.first_unit, sizeof(plan.first_unit));
	if (ftp_planner_predict(&p->problem, &plan, &answer, NULL))
		return 0;
	return (double)answer.step_ns / (double)FTP_NS_PER_S;
}

static json_t *assumptions(const struct ftp_plan_problem *p)
{
	json_t *list = json_array();

	if (p->n_far)
		json_array_append_new(
			list, json_sprintf("%u links between hosts: 10 Gbit/s, 0.1 ms", p->n_far));
	if (p->n_near)
		json_array_append_new(list,
			json_sprintf("%u links within a host: memory speed, 10 GB/s", p->n_near));
	return list;
}

static void print_plan(const struct ftp_options *o, const struct site *s,
	const struct ftp_plan_problem *p, json_t *best)
{
	const char *source = ftp_document_text(s->measured, "source");
	json_t *assumed = assumptions(p), *text;
	double equal_s = equal_step_s(p), step_s = ftp_document_number_or_0(best, "step_seconds");
	size_t i;

	if (o->json) {
		ftp_ftpctl_print_json(json_pack("{s:b, s:n, s:s, s:O, s:n, s:O, s:f}", "ok", 1,
			"run", "source", source, "assumptions", assumed, "in_force", "best", best,
			"equal_step_seconds", equal_s));
	} else {
		printf("times: %s%s\n", source,
			s->live ? " at its start, not as slow as its nodes are now" : "");
		json_array_foreach (assumed, i, text)
			printf("assumed: %s\n", json_string_value(text));
		ftp_plan_view_best(stdout, best);
		if (equal_s > 0 && step_s > 0)
			printf("an equal split in the order of the nodes: %.1f ms, %.2f times as "
			       "long\n",
				equal_s * 1e3, equal_s / step_s);
	}
	json_decref(assumed);
}

static int plan_of_site(const struct site *s, const struct ftp_options *o)
{
	struct ftp_planner_answer answer;
	struct ftp_plan_problem *p;
	struct ftp_error err;
	json_t *best;
	int rc = ftp_plan_problem_new(&p, s->config, s->model, s->measured, o->nodes, &err);

	if (rc)
		return fail(o, rc, &err);
	rc = ftp_planner_best(&p->problem, &answer, &err);
	if (rc) {
		rc = ftp_ftpctl_fail(o, FTP_EXIT_FAILURE, err.text);
	} else {
		best = ftp_planner_json(
			&answer, p->names, p->problem.n_nodes, s->config->training.batch);
		ftp_assert(best);
		print_plan(o, s, p, best);
		json_decref(best);
	}
	free(p);
	return rc;
}

int ftp_ftpctl_plan(const struct ftp_options *o)
{
	struct site s = {.config = NULL};
	struct ftp_ftpctl_run r;
	int rc = ftp_ftpctl_find_run(&r, o);

	if (rc)
		return rc;
	if (r.supervisor && !o->nodes && !o->profile)
		return plan_of_run(&r, o);
	rc = r.supervisor ? load_run(&s, &r, o) : load_file(&s, o);
	if (!rc)
		rc = r.supervisor && !o->profile ? profile_of_run(&s, &r, o, NULL)
						 : find_measured(&s, &r, o);
	if (!rc)
		rc = plan_of_site(&s, o);
	free_site(&s);
	return rc;
}
