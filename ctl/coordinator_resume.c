/* A run that has a past: the coordinator was killed while it trained, or all of it was.
 *
 * Nodes that only lost the coordinator have trained on, and say so when they join. If all stages of
 * the plan in force come back so, it stays in force. If one does not, or none was left, all that
 * are there halt, and it is a recovery like any other. Without the journal nobody knows which
 * states are of the history that counts; then all nodes are waited for, terms are made greater than
 * any that could have been used (a generation, the upper 32 bits), and the newest step that is held
 * whole, all of it by one term, is believed.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ctl/coordinator_state.h"

#define LL(x)	       ((unsigned long long)(x))
#define GENERATION_BIT 32
#define SECONDS_MOST   1e9

/* Rows past the last step are nobody's. */
static void restore_rows(struct ftp_coordinator *c, const struct ftp_coordinator_past *past)
{
	bool is_short = c->last_step && past->n_rows > c->last_step;

	c->last_row = is_short ? c->last_step : past->n_rows;
	memcpy(c->losses, past->losses, sizeof(c->losses));
	if (c->last_row)
		c->last_loss = past->n_rows - c->last_row < FTP_LATE_ROWS
				       ? c->losses[c->last_row % FTP_LATE_ROWS]
				       : NAN;
}

static uint64_t since_start_ns(const struct ftp_coordinator_past *past)
{
	return past->t_s < SECONDS_MOST ? (uint64_t)(past->t_s * (double)FTP_NS_PER_S) : 0;
}

void ftp_coordinator_resume_init(
	struct ftp_coordinator *c, const struct ftp_coordinator_past *past, uint64_t now_ns)
{
	struct ftp_coordinator_resume *r = &c->resume;

	r->is_on = true;
	r->begin_ns = c->last_row_ns = now_ns;
	c->start_ns = now_ns - since_start_ns(past); /* may wrap */
	c->train_start_ns = c->start_ns;
	if (past->journal)
		ftp_coordinator_journal_read(c, past->journal);
	if (!c->snapshots.catalogue.n_begun) /* of the time before a lost one was made up for */
		c->plan.term = 0;
	restore_rows(c, past);
	r->is_lost = past->n_rows && !c->plan.term; /* losses that no journal explains */
	if (past->is_asked && c->outcome != FTP_END_COMPLETED) {
		c->outcome = FTP_END_NONE;
		c->reason[0] = 0;
		c->recovery.n_fatal = 0;
	}
	if (c->outcome) { /* all that is left to do is to say so */
		c->state = FTP_RUN_FINISHING;
		c->deadline_ns = now_ns;
	} else if (c->plan.term) {
		c->state = FTP_RUN_RESUMING;
		c->rate[0].at_ns = now_ns;
		c->rate[0].row = c->last_row;
		c->n_rate = 1;
	}
}

uint64_t ftp_coordinator_resume_had(const struct ftp_coordinator *c, uint32_t unit)
{
	const struct ftp_plan *p = &c->resume.former;
	uint32_t stage = 0, nodes[2];
	uint64_t bits = 0;

	if (!p->n_stages || p->n_units != c->settings.n_units)
		return 0;
	while (unit >= p->stages[stage].end_unit)
		stage++;
	nodes[0] = p->stages[stage].node;
	nodes[1] = p->stages[(stage + 1) % p->n_stages].node;
	for (int i = 0; i < 2; i++)
		bits |= nodes[i] == FTP_NO_NODE ? 0 : FTP_NODE_BIT(nodes[i]);
	return bits;
}

void ftp_coordinator_resume_above(struct ftp_coordinator *c, uint64_t term)
{
	uint64_t generation = (term >> GENERATION_BIT) + 1;

	if (term >= c->last_term)
		c->last_term = generation << GENERATION_BIT;
}

uint64_t ftp_coordinator_resume_most(const struct ftp_coordinator *c)
{
	return c->last_term > FTP_PROTOCOL_MAX_TOLD_TERM ? c->last_term
							 : FTP_PROTOCOL_MAX_TOLD_TERM;
}

bool ftp_coordinator_resume_is_behind(struct ftp_coordinator *c)
{
	uint64_t newest = 0;

	for (uint32_t i = 0; i < c->n_nodes && c->resume.is_lost; i++) {
		const struct ftp_inventory *m = c->recovery.inventories[i];

		for (uint32_t k = 0; m && k < m->n; k++)
			if (m->term[k] > newest)
				newest = m->term[k];
	}
	if (newest < c->change.plan.term)
		return false;
	ftp_coordinator_resume_above(c, newest);
	return true;
}

/* The stage trains as if nothing had been, or will once it hears the commit, or, of a later plan
 * that it has prepared, the abandon: nobody has committed one that the journal does not know.
 */
static bool has_returned(const struct ftp_coordinator *c, uint32_t stage)
{
	const struct ftp_plan_stage *s = &c->plan.stages[stage];
	const struct ftp_coordinator_node *n = &c->nodes[s->node];
	const struct ftp_join *j = &n->join;

	return n->live && j->incarnation == s->incarnation &&
	       (j->term == c->plan.term || j->next_term == c->plan.term) &&
	       j->first_row <= c->last_row + 1;
}

static uint32_t count_returned(const struct ftp_coordinator *c)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < c->plan.n_stages; i++)
		n += has_returned(c, i);
	return n;
}

/* With 1f1b all stages must have been told of a hold, or none (runtime/schedule.h). It is asked for
 * when all have prepared the next plan; where one has not, or has abandoned it, no hold is half
 * told.
 */
static bool may_be_half_held(const struct ftp_coordinator *c)
{
	if (c->config->training.schedule != FTP_SCHEDULE_1F1B)
		return false;
	for (uint32_t i = 0; i < c->plan.n_stages; i++)
		if (c->nodes[c->plan.stages[i].node].join.next_term <= c->plan.term)
			return false;
	return true;
}

static bool has_whole_plan(const struct ftp_coordinator *c, uint32_t n_returned)
{
	return n_returned && n_returned == c->plan.n_stages && !may_be_half_held(c);
}

static void tell(struct ftp_coordinator *c, const char *how, uint64_t now_ns, struct ftp_actions *a)
{
	c->resume.is_settled = true;
	ftp_coordinator_event(c, "resume",
		json_pack("{s:s, s:I, s:I, s:f}", "how", how, "step", (json_int_t)c->last_row,
			"term", (json_int_t)c->plan.term, "waited_s",
			(double)(now_ns - c->resume.begin_ns) / (double)FTP_NS_PER_S),
		now_ns, a);
}

static void begin_training(struct ftp_coordinator *c, uint64_t now_ns)
{
	ftp_coordinator_move(c, FTP_RUN_TRAINING, now_ns);
	c->computed_ns = c->judged_ns = c->plan_ns = now_ns;
	c->snapshots.at = c->last_row;
	c->snapshots.named_step = c->last_row > c->plan_step ? c->last_row : c->plan_step;
	for (uint32_t i = 0; i < c->n_nodes; i++) {
		struct ftp_coordinator_node *n = &c->nodes[i];

		ftp_detector_restart(&n->detector, now_ns);
		n->measured_ns = now_ns;
		n->step = n->join.term == c->plan.term ? n->join.step : c->plan_step;
		if (n->step > c->last_step) /* which was not known when it joined */
			n->step = c->last_step;
		ftp_coordinator_snapshots_at(c, n->step);
	}
}

/* A plan that was on its way when the coordinator died, and that nobody will ever commit. */
static void abandon(const struct ftp_coordinator_node *n, uint64_t now_ns, struct ftp_actions *a)
{
	const struct ftp_abandon m = {
		.term = n->join.next_term, .reason = "the coordinator begins again"};

	ftp_actions_call(a, n->conn, FTP_METHOD_ABANDON, ftp_abandon_encode(&m), m.term,
		now_ns + FTP_COORDINATOR_COMMIT_NS);
}

/* Before the commit is repeated: a stage that holds for such a plan would refuse it. */
static void abandon_others(const struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	for (uint32_t i = 0; i < c->n_nodes; i++) {
		const struct ftp_coordinator_node *n = &c->nodes[i];

		if (n->live && n->join.next_term && n->join.next_term != c->plan.term)
			abandon(n, now_ns, a);
	}
}

static void go_on(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	struct ftp_planner_plan in_force;

	begin_training(c, now_ns);
	ftp_coordinator_snapshots_resume(c);
	ftp_coordinator_target_in_force(c, &in_force);
	c->predicted = !ftp_coordinator_predict(c, &in_force, &c->answer, NULL);
	c->predicted_s = c->predicted ? (double)c->answer.step_ns / (double)FTP_NS_PER_S : 0;
	abandon_others(c, now_ns, a);
	ftp_coordinator_change_resume(c, now_ns, a);
}

void ftp_coordinator_resume_settled(
	struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	ftp_coordinator_holdings_take_stock(c);
	ftp_actions_log(a, FTP_LOG_INFO,
		"the coordinator is back; training has gone on meanwhile: the plan of term %llu is "
		"in force, and the newest snapshot is that of step %llu",
		LL(c->plan.term), LL(c->snapshots.stable_step));
	tell(c, "went on", now_ns, a);
}

/* Of the plan in force this one is lost. */
static void lose(struct ftp_coordinator *c, uint32_t node, uint64_t now_ns, struct ftp_actions *a)
{
	char text[sizeof(c->recovery.fates[0].text)];
	enum ftp_evidence evidence = c->recovery.fates[node].evidence;

	snprintf(text, sizeof(text), "%s", c->recovery.fates[node].text);
	if (!text[0]) {
		snprintf(text, sizeof(text), "%s (pid %lld) did not come back",
			c->config->nodes[node].name, (long long)c->nodes[node].join.pid);
		evidence = FTP_EVIDENCE_CERTAIN;
	}
	ftp_coordinator_blame(c, node, evidence, now_ns, a, "%s", text);
}

static const char *why_back(const struct ftp_coordinator *c)
{
	bool is_new = true;

	for (uint32_t i = 0; i < c->n_nodes; i++) {
		if (!c->nodes[i].live)
			continue;
		if (c->nodes[i].join.next_term)
			return "the coordinator was away while a plan was on its way";
		is_new &= !c->nodes[i].join.newest_term;
	}
	return is_new ? "the coordinator and all nodes were started again"
		      : "a stage came back without its plan";
}

/* Whoever trains would have to begin anew: that is for the operator to say. */
static void end_without_snapshots(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	ftp_coordinator_suspect(c, FTP_EVIDENCE_CERTAIN, now_ns, a,
		"%s, and there is no snapshot to go back to (snapshot.every: 0): ftpctl start "
		"--resume trains from step 1 again",
		why_back(c));
}

/* Without snapshots a run that nobody trains any more can still begin again. */
static void go_back(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	uint64_t stages = ftp_coordinator_stages(&c->plan), live = ftp_coordinator_live(c);
	bool trains = count_returned(c);

	begin_training(c, now_ns);
	tell(c, "goes back", now_ns, a);
	for (uint32_t i = 0; i < c->n_nodes && c->state == FTP_RUN_TRAINING; i++)
		if (stages & ~live & FTP_NODE_BIT(i) && (trains || ftp_coordinator_recoverable(c)))
			lose(c, i, now_ns, a);
	if (ftp_coordinator_recovering(c) || c->state != FTP_RUN_TRAINING ||
		c->verdict_ns != FTP_NS_NEVER)
		return;
	if (trains && !c->config->snapshot.every)
		end_without_snapshots(c, now_ns, a);
	else
		ftp_coordinator_recover_all(c, why_back(c), now_ns, a);
}

/* Whoever had joined is waited for, as the stages train on meanwhile: an idle node that came after
 * them would be refused. */
static void decide(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	bool all_known = true, all_back = true, any = false;
	uint32_t n_returned = count_returned(c);

	for (uint32_t i = 0; i < c->n_nodes; i++) {
		const struct ftp_coordinator_node *n = &c->nodes[i];
		bool is_known = n->live || c->resume.gone & FTP_NODE_BIT(i);

		any |= n->live;
		all_known &= is_known;
		all_back &= is_known || !n->joined;
	}
	if (all_back && has_whole_plan(c, n_returned))
		go_on(c, now_ns, a);
	else if (all_known && any)
		go_back(c, now_ns, a);
	else if ((n_returned || (any && c->resume.is_overdue)) &&
		 c->deadline_ns > now_ns + FTP_COORDINATOR_RETURN_NS)
		c->deadline_ns = now_ns + FTP_COORDINATOR_RETURN_NS;
}

void ftp_coordinator_resume_joined(
	struct ftp_coordinator *c, uint32_t node, uint64_t now_ns, struct ftp_actions *a)
{
	const struct ftp_coordinator_node *n = &c->nodes[node];

	c->resume.gone &= ~FTP_NODE_BIT(node);
	c->recovery.fates[node].text[0] = 0;
	if (n->join.newest_term > c->last_term) {
		c->resume.is_lost |= c->state == FTP_RUN_WAITING;
		ftp_coordinator_resume_above(c, n->join.newest_term);
	}
	if (c->state == FTP_RUN_RESUMING)
		decide(c, now_ns, a);
	else if (n->join.next_term && !c->resume.is_lost) {
		abandon(n, now_ns, a);
		c->start.asked |= FTP_NODE_BIT(node);
	}
}

void ftp_coordinator_resume_without(struct ftp_coordinator *c, uint32_t node,
	enum ftp_evidence evidence, const char *text, uint64_t now_ns, struct ftp_actions *a)
{
	ftp_actions_log(a, FTP_LOG_WARNING, "%s", text);
	ftp_coordinator_drop(c, node, text, now_ns, a);
	c->recovery.fates[node].evidence = evidence;
	snprintf(c->recovery.fates[node].text, sizeof(c->recovery.fates[0].text), "%s", text);
	if (evidence > FTP_EVIDENCE_LOST) /* else it may join again */
		c->resume.gone |= FTP_NODE_BIT(node);
	decide(c, now_ns, a);
}

/* Servers take their time after a power cut. The words are said when they change. */
static void wait_on(struct ftp_coordinator *c, bool is_said, uint64_t now_ns, struct ftp_actions *a)
{
	const char *why = c->recovery.waits_for;

	c->deadline_ns = now_ns + FTP_COORDINATOR_LOOK_NS;
	if (is_said)
		return;
	ftp_actions_log(a, FTP_LOG_WARNING, "the run waits: %s", why);
	ftp_coordinator_event(c, "waiting", json_pack("{s:s}", "why", why), now_ns, a);
}

void ftp_coordinator_resume_await(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	c->resume.is_overdue = true;
	wait_on(c, !ftp_coordinator_wait_for_all(c), now_ns, a);
}

bool ftp_coordinator_resume_waits(const struct ftp_coordinator *c)
{
	return c->resume.is_overdue &&
	       (c->state == FTP_RUN_WAITING ||
		       (c->state == FTP_RUN_RESUMING && !ftp_coordinator_live(c)));
}

void ftp_coordinator_resume_time(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	if (!ftp_coordinator_live(c)) {
		c->resume.is_overdue = true;
		wait_on(c, !ftp_coordinator_wait_for_anybody(c), now_ns, a);
		return;
	}
	(has_whole_plan(c, count_returned(c)) ? go_on : go_back)(c, now_ns, a);
}

void ftp_coordinator_resume_lost(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	if (!(c->last_term >> GENERATION_BIT))
		ftp_coordinator_resume_above(c, c->last_term);
	ftp_actions_log(a, FTP_LOG_WARNING,
		"the journal of the run is lost: what the nodes hold is believed; terms begin at "
		"generation %llu",
		LL(c->last_term >> GENERATION_BIT));
	c->plan.run = c->settings.run;
	c->plan.term = c->last_term;
	c->plan.last_step = c->last_step;
	if (c->last_row > c->last_step)
		c->last_row = c->last_step;
	c->rate[0].at_ns = c->last_row_ns = now_ns;
	c->rate[0].row = c->last_row;
	c->n_rate = 1;
	begin_training(c, now_ns);
	tell(c, "without its journal", now_ns, a);
	ftp_coordinator_recover_all(c, "the coordinator's journal is lost", now_ns, a);
}
