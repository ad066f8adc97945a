#include <stdio.h>
#include <string.h>

#include "ctl/coordinator_state.h"
#include "ctl/cuts.h"
#include "ctl/planner.h"

int ftp_coordinator_isa_rank(const char *isa)
{
	static const char *const names[] = {"sse41", "avx2", "avx512"};

	for (int i = 0; i < (int)(sizeof(names) / sizeof(*names)); i++)
		if (!strcmp(isa, names[i]))
			return i;
	return -1;
}

/* Bit-identity needs one instruction set: the least that all nodes have. */
static void choose_isa(struct ftp_coordinator *c)
{
	const char *least = c->nodes[0].join.isa;

	for (uint32_t i = 1; i < c->n_nodes; i++)
		if (ftp_coordinator_isa_rank(c->nodes[i].join.isa) <
			ftp_coordinator_isa_rank(least))
			least = c->nodes[i].join.isa;
	if (strcmp(c->config->training.isa, "auto"))
		least = c->config->training.isa;
	snprintf(c->isa, sizeof(c->isa), "%s", least);
}

/* The last step of the run, 0 if the data set does not fill one mini-batch. */
static uint64_t last_step(const struct ftp_coordinator *c)
{
	uint64_t steps;

	if (c->config->training.steps)
		return c->config->training.steps;
	if (__builtin_mul_overflow(c->nodes[0].join.n_train / c->config->training.batch,
		    c->config->training.epochs, &steps) ||
		steps > INT64_MAX)
		return INT64_MAX;
	return steps;
}

static void ask_profile(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	struct ftp_profile_ask ask;

	ftp_coordinator_move(c, FTP_RUN_PROFILING, now_ns);
	memcpy(ask.isa, c->isa, sizeof(ask.isa));
	ftp_actions_log(
		a, FTP_LOG_INFO, "measuring the model's units on %s", c->config->nodes[0].name);
	ftp_actions_call(a, c->nodes[0].conn, FTP_METHOD_PROFILE, ftp_profile_ask_encode(&ask),
		c->deadline_ns);
}

void ftp_coordinator_all_joined(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	choose_isa(c);
	c->plan.last_step = last_step(c);
	if (!c->plan.last_step || c->nodes[0].join.n_train < c->config->training.batch)
		ftp_coordinator_suspect(c, FTP_EVIDENCE_CERTAIN, now_ns, a,
			"the data set's %llu training samples do not fill one mini-batch: "
			"training.batch is %u",
			(unsigned long long)c->nodes[0].join.n_train, c->config->training.batch);
	else if (c->n_nodes > 1 && ftp_cuts_measured(c->config->training.cuts))
		ask_profile(c, now_ns, a);
	else
		ftp_coordinator_prepare(c, now_ns, a);
}

static int equal_cuts(const struct ftp_coordinator *c, uint32_t *cuts, struct ftp_error *err)
{
	struct ftp_planner_times units[FTP_PROTOCOL_MAX_UNITS];
	const struct ftp_planner_equal_problem problem = {.units = units,
		.n_units = c->profile.n_units,
		.n_stages = c->n_nodes,
		.micro_batches = c->config->training.micro_batches};
	struct ftp_planner_equal_answer answer;
	int rc;

	for (uint32_t i = 0; i < c->profile.n_units; i++)
		units[i] = (struct ftp_planner_times){.forward_ns = c->profile.forward_ns[i],
			.backward_ns = c->profile.backward_ns[i],
			.update_ns = c->profile.update_ns[i]};
	rc = ftp_planner_equal(&problem, &answer, err);
	for (uint32_t i = 1; !rc && i < c->n_nodes; i++)
		cuts[i - 1] = answer.first_unit[i];
	return rc;
}

/* cuts has room for n_nodes - 1. */
static int choose_cuts(const struct ftp_coordinator *c, uint32_t *cuts, struct ftp_error *err)
{
	const char *text = c->config->training.cuts;
	uint32_t n_cuts = 0;
	int rc;

	if (ftp_cuts_measured(text))
		return c->n_nodes > 1 ? equal_cuts(c, cuts, err) : 0;
	rc = ftp_cuts_parse(text, cuts, c->n_nodes - 1, &n_cuts, err);
	return rc ? rc : ftp_cuts_check(cuts, n_cuts, c->settings.n_units, c->n_nodes, err);
}

static void describe_plan(const struct ftp_coordinator *c, struct ftp_actions *a)
{
	char text[512];
	size_t at = 0;

	for (uint32_t i = 0; i < c->plan.n_stages && at + 64 < sizeof(text); i++) {
		const struct ftp_plan_stage *s = &c->plan.stages[i];

		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s units %u-%u",
			i ? ", " : "", s->name, s->first_unit, s->end_unit - 1);
	}
	ftp_actions_log(a, FTP_LOG_INFO, "plan of term %llu: %s; steps %llu-%llu, %s",
		(unsigned long long)c->plan.term, text, 1ull, (unsigned long long)c->plan.last_step,
		c->isa);
}

void ftp_coordinator_prepare(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	uint32_t cuts[FTP_CONFIG_MAX_NODES] = {0};
	uint32_t micro = c->config->training.batch / c->config->training.micro_batches;
	struct ftp_plan *p = &c->plan;
	struct ftp_error err;

	if (choose_cuts(c, cuts, &err)) {
		ftp_coordinator_suspect(
			c, FTP_EVIDENCE_CERTAIN, now_ns, a, "training.cuts: %s", err.text);
		return;
	}
	p->run = c->settings.run;
	p->term++;
	memcpy(p->isa, c->isa, sizeof(p->isa));
	p->n_units = c->settings.n_units;
	for (uint32_t i = 0; i < p->n_units; i++)
		p->holder[i] = FTP_PLAN_INITIAL;
	p->n_eval = (uint32_t)((c->nodes[0].join.n_test + micro - 1) / micro);
	p->n_stages = c->n_nodes;
	for (uint32_t i = 0; i < c->n_nodes; i++) {
		const struct ftp_join *join = &c->nodes[i].join;
		struct ftp_plan_stage *s = &p->stages[i];

		s->node = i;
		memcpy(s->name, join->name, sizeof(s->name));
		snprintf(s->host, sizeof(s->host), "%s", c->config->nodes[i].host);
		s->udp_port = join->udp_port[p->term % 2];
		s->incarnation = join->incarnation;
		s->first_unit = i ? cuts[i - 1] : 0;
		s->end_unit = i + 1 < c->n_nodes ? cuts[i] : c->settings.n_units;
	}
	describe_plan(c, a);
	ftp_coordinator_move(c, FTP_RUN_PREPARING, now_ns);
	for (uint32_t i = 0; i < c->n_nodes; i++)
		ftp_actions_call(a, c->nodes[i].conn, FTP_METHOD_PREPARE, ftp_plan_encode(p),
			c->deadline_ns);
}

void ftp_coordinator_transfer(struct ftp_coordinator *c, struct ftp_actions *a)
{
	const struct ftp_transfer transfer = {.term = c->plan.term};

	for (uint32_t i = 0; i < c->n_nodes; i++)
		ftp_actions_call(a, c->nodes[i].conn, FTP_METHOD_TRANSFER,
			ftp_transfer_encode(&transfer), c->deadline_ns);
}

void ftp_coordinator_commit(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	struct ftp_commit commit = {.term = c->plan.term};

	ftp_coordinator_move(c, FTP_RUN_TRAINING, now_ns);
	ftp_actions_log(a, FTP_LOG_INFO, "training begins");
	c->train_start_ns = c->computed_ns = now_ns;
	for (uint32_t i = 0; i < c->n_nodes; i++) {
		c->nodes[i].heard_ns = now_ns;
		ftp_actions_call(a, c->nodes[i].conn, FTP_METHOD_COMMIT, ftp_commit_encode(&commit),
			now_ns + FTP_COORDINATOR_COMMIT_NS);
	}
}
