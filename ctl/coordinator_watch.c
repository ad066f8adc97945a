/* Changes of the plan that nobody asked for: a node has joined, or is not as fast as the plan in
 * force believes. */
#include <stdio.h>
#include <string.h>

#include "ctl/coordinator_state.h"

/* Steps of a plan before it is judged, so that every stage's slowness is known. */
#define SETTLE_STEPS  5
#define YOUNG_STEPS   20.0
#define YOUNG_SECONDS 5.0
/* Between two judgements; between two after which little has changed. */
#define JUDGE_NS       FTP_NS_PER_S
#define JUDGE_AGAIN_NS (5 * FTP_NS_PER_S)
/* Little, but on several nodes it may add up to another plan. */
#define JUDGE_LITTLE 0.05
/* An idle node does no steps: whether it is faster now, only measuring tells. */
#define MEASURE_IDLE_NS (60 * FTP_NS_PER_S)

static bool is_auto(const struct ftp_coordinator *c)
{
	return !strcmp(c->config->training.cuts, "auto");
}

static void measure(
	struct ftp_coordinator *c, uint32_t node, uint64_t now_ns, struct ftp_actions *a)
{
	c->newcomers |= c->nodes[node].profiled ? 0 : FTP_NODE_BIT(node);
	c->nodes[node].measuring = true;
	c->nodes[node].measured_ns = now_ns;
	ftp_coordinator_profile(c, node, now_ns + FTP_COORDINATOR_PROFILE_NS, a);
}

void ftp_coordinator_joined_late(
	struct ftp_coordinator *c, uint32_t node, uint64_t now_ns, struct ftp_actions *a)
{
	c->newcomers |= FTP_NODE_BIT(node);
	ftp_coordinator_compare_data(c, node, a);
	if (ftp_coordinator_waits(c))
		ftp_coordinator_recovery_look(c, now_ns, a);
	else if (is_auto(c))
		measure(c, node, now_ns, a);
}

static bool may_change(const struct ftp_coordinator *c, enum ftp_change_cause cause)
{
	return !ftp_coordinator_change_check(c, NULL) && c->last_row >= c->retry_step[cause];
}

static void plan_best_with(
	struct ftp_coordinator *c, const char *who, uint64_t now_ns, struct ftp_actions *a)
{
	struct ftp_coordinator_verdict v;
	struct ftp_error err;
	char reason[256];

	snprintf(reason, sizeof(reason), "%s joined", who);
	if (ftp_coordinator_judge(c, ftp_coordinator_usable(c), NULL, &v, &err))
		ftp_actions_log(a, FTP_LOG_WARNING, "no plan with %s: %s", who, err.text);
	else if (v.pays)
		ftp_coordinator_change_begin(c, FTP_CAUSE_JOIN, reason, &v.best.plan, now_ns, a);
	else
		ftp_actions_log(a, FTP_LOG_INFO, "%s; no new plan: %s", reason, v.why);
}

static void plan_equal_with(
	struct ftp_coordinator *c, const char *who, uint64_t now_ns, struct ftp_actions *a)
{
	struct ftp_planner_plan target;
	struct ftp_error err;
	char reason[256];

	snprintf(reason, sizeof(reason), "%s joined", who);
	if (ftp_coordinator_plan_again(c, &target, &err))
		ftp_actions_log(a, FTP_LOG_WARNING, "no plan with %s: %s", who, err.text);
	else if (!ftp_coordinator_in_force(c, &target))
		ftp_coordinator_change_begin(c, FTP_CAUSE_JOIN, reason, &target, now_ns, a);
}

static void plan_for_newcomers(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	uint64_t ready = c->newcomers & ftp_coordinator_usable(c);
	char who[200];

	for (uint32_t i = 0; i < c->n_nodes; i++)
		if (is_auto(c) && !c->nodes[i].profiled)
			ready &= ~FTP_NODE_BIT(i);
	if (!ready)
		return;
	c->newcomers &= ~ready;
	ftp_coordinator_list(c, ready, who, sizeof(who));
	(is_auto(c) ? plan_best_with : plan_equal_with)(c, who, now_ns, a);
}

/* The node whose slowness has changed most since the plan in force was made; FTP_NO_NODE: none
 * that matters and was not judged already. */
static uint32_t most_changed(const struct ftp_coordinator *c, uint64_t now_ns)
{
	uint64_t nodes = ftp_coordinator_usable(c);
	bool again = now_ns >= c->judged_ns + JUDGE_AGAIN_NS;
	double least = again ? JUDGE_LITTLE : FTP_SLOWNESS_CHANGE;
	uint32_t most = FTP_NO_NODE;
	double largest = 0;

	for (uint32_t i = 0; i < c->n_nodes; i++) {
		const struct ftp_coordinator_node *n = &c->nodes[i];
		double v = n->slowness.value, p = n->planned_slowness, change;

		if (!(nodes & FTP_NODE_BIT(i)) || !n->profiled ||
			!ftp_slowness_differs(v, p, least) ||
			(!again && !ftp_slowness_differs(v, n->judged_slowness, JUDGE_LITTLE)))
			continue;
		change = v > p ? v / p : p / v;
		if (change > largest) {
			largest = change;
			most = i;
		}
	}
	return most;
}

/* The younger the plan in force, the more a change must win: speeds that change all the time are
 * not worth a pause each. */
static double least_gain(const struct ftp_coordinator *c, uint64_t now_ns)
{
	double steps = (double)(c->last_row - c->plan_step);
	double seconds = (double)(now_ns - c->plan_ns) / (double)FTP_NS_PER_S;

	return 1 + c->config->training.repartition.min_gain *
			   (1 + YOUNG_STEPS / steps + YOUNG_SECONDS / seconds);
}

static void judge_slowness(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	struct ftp_coordinator_verdict v;
	const struct ftp_coordinator_node *n;
	struct ftp_error err;
	uint32_t node;
	char reason[128];

	if (now_ns < c->judged_ns + JUDGE_NS || c->last_row < c->plan_step + SETTLE_STEPS)
		return;
	node = most_changed(c, now_ns);
	if (node == FTP_NO_NODE)
		return;
	c->judged_ns = now_ns;
	for (uint32_t i = 0; i < c->n_nodes; i++)
		c->nodes[i].judged_slowness = c->nodes[i].slowness.value;
	n = &c->nodes[node];
	snprintf(reason, sizeof(reason), "%s is %.2fx %s than when the plan was made",
		c->config->nodes[node].name,
		n->slowness.value > n->planned_slowness ? n->slowness.value / n->planned_slowness
							: n->planned_slowness / n->slowness.value,
		n->slowness.value > n->planned_slowness ? "slower" : "faster");
	if (ftp_coordinator_judge(c, ftp_coordinator_usable(c), NULL, &v, &err))
		ftp_actions_log(a, FTP_LOG_WARNING, "%s; no new plan: %s", reason, err.text);
	else if (v.pays && v.gain >= least_gain(c, now_ns))
		ftp_coordinator_change_begin(
			c, FTP_CAUSE_SLOWNESS, reason, &v.best.plan, now_ns, a);
	else
		ftp_actions_log(a, FTP_LOG_DEBUG, "%s; no new plan%s: %s", reason,
			v.pays ? " so soon" : "", v.why);
}

static void measure_idle(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	uint64_t idle = ftp_coordinator_usable(c) & ~ftp_coordinator_stages(&c->plan);

	for (uint32_t i = 0; i < c->n_nodes; i++)
		if (idle & FTP_NODE_BIT(i) &&
			(!c->nodes[i].profiled ||
				now_ns >= c->nodes[i].measured_ns + MEASURE_IDLE_NS))
			measure(c, i, now_ns, a);
}

void ftp_coordinator_watch(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	ftp_coordinator_reach_again(c, now_ns);
	if (may_change(c, FTP_CAUSE_JOIN))
		plan_for_newcomers(c, now_ns, a);
	if (is_auto(c) && may_change(c, FTP_CAUSE_SLOWNESS))
		judge_slowness(c, now_ns, a);
	if (is_auto(c) && may_change(c, FTP_CAUSE_START))
		measure_idle(c, now_ns, a);
}
