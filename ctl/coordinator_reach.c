/* Nodes that are there, and do not reach each other: the link between two of them is down, though
 * both answer the coordinator. A plan in which they do not need each other may still exist; simple
 * is to leave out as few nodes as it takes, and to try again with them later. Who is left out may
 * still give what nobody else has, to those who reach it.
 *
 * A node tells with node.lost of a plan that is being prepared which peer it did not hear. One
 * attempt is made with all of them before that counts: what broke the plan in force may have been a
 * moment's silence, or a task that took long. In it a peer that was silent has a second or more to
 * answer (runtime/rollcall.h).
 */
#include <stdio.h>
#include <string.h>

#include "ctl/coordinator_state.h"

#define AGAIN_NS (60 * FTP_NS_PER_S) /* left out for so long */

void ftp_coordinator_reach_forget(struct ftp_coordinator *c)
{
	for (uint32_t i = 0; i < c->n_nodes; i++)
		c->nodes[i].unreached = 0;
}

static void take_in(struct ftp_coordinator *c, uint32_t node)
{
	c->nodes[node].left_out_for = 0;
	if (c->nodes[node].live && ftp_coordinator_stage_of(&c->plan, node) == FTP_NO_NODE)
		c->newcomers |= FTP_NODE_BIT(node);
}

void ftp_coordinator_reach_forgive(struct ftp_coordinator *c)
{
	ftp_coordinator_reach_forget(c);
	for (uint32_t i = 0; i < c->n_nodes; i++)
		c->nodes[i].left_out_for = 0;
}

void ftp_coordinator_reach_gone(struct ftp_coordinator *c, uint32_t node)
{
	c->nodes[node].unreached = c->nodes[node].left_out_for = 0;
	for (uint32_t i = 0; i < c->n_nodes; i++) {
		struct ftp_coordinator_node *n = &c->nodes[i];

		n->unreached &= ~FTP_NODE_BIT(node);
		if (n->left_out_for == FTP_NODE_BIT(node))
			take_in(c, i);
		n->left_out_for &= ~FTP_NODE_BIT(node);
	}
}

uint64_t ftp_coordinator_reach_left_out(const struct ftp_coordinator *c)
{
	uint64_t nodes = 0;

	for (uint32_t i = 0; i < c->n_nodes; i++)
		if (c->nodes[i].left_out_for & ftp_coordinator_live(c))
			nodes |= FTP_NODE_BIT(i);
	return nodes;
}

void ftp_coordinator_reach_told(struct ftp_coordinator *c, uint32_t node, uint32_t peer,
	const char *text, struct ftp_actions *a)
{
	if (node == peer || !(c->change.members & FTP_NODE_BIT(peer)) || !c->nodes[peer].live)
		return;
	ftp_actions_log(a, FTP_LOG_WARNING, "%s (%s) does not reach %s (%s): %s",
		c->config->nodes[node].name, c->config->nodes[node].host,
		c->config->nodes[peer].name, c->config->nodes[peer].host, text);
	c->change.is_unlinked = c->recovery.was_unlinked = true;
	c->nodes[node].unreached |= FTP_NODE_BIT(peer);
	c->nodes[peer].unreached |= FTP_NODE_BIT(node);
}

/* "n2 (10.0.0.2) and n3 (10.0.0.3)" */
static void name_pair(
	const struct ftp_coordinator *c, uint32_t a, uint32_t b, char *text, size_t bytes)
{
	snprintf(text, bytes, "%s (%s) and %s (%s)", c->config->nodes[a].name,
		c->config->nodes[a].host, c->config->nodes[b].name, c->config->nodes[b].host);
}

bool ftp_coordinator_reach_describe(const struct ftp_coordinator *c, char *text, size_t bytes)
{
	uint64_t nodes = ftp_coordinator_live(c);
	size_t at = 0;

	text[0] = 0;
	for (uint32_t i = 0; i < c->n_nodes; i++) {
		for (uint32_t k = i + 1; k < c->n_nodes && at + 200 < bytes; k++) {
			if (!(c->nodes[i].unreached & nodes & FTP_NODE_BIT(k)))
				continue;
			at += (size_t)snprintf(text + at, bytes - at, "%s", at ? ", " : "");
			name_pair(c, i, k, text + at, bytes - at);
			at += strlen(text + at);
		}
	}
	if (at)
		snprintf(text + at, bytes - at,
			" do not reach each other, though all answer the coordinator: the link "
			"between them is down");
	return at;
}

/* A step's compute of all units on the node, as it is now; 0: not measured. */
static double speed_ns(const struct ftp_coordinator *c, uint32_t node)
{
	return ftp_coordinator_profiled_ns(c, node, 0, c->settings.n_units) *
	       c->nodes[node].slowness.value;
}

/* Rather a than b? Who is not needed for what the others hold; who is cut off from more; without
 * whom a newer step is held; who is not to be the central node; the slower one; the later one. */
static bool is_rather(const struct ftp_coordinator *c, uint64_t nodes, uint32_t a, uint32_t b)
{
	int n_a = __builtin_popcountll(c->nodes[a].unreached & nodes);
	int n_b = __builtin_popcountll(c->nodes[b].unreached & nodes);
	uint64_t central = ftp_coordinator_preferred(c, nodes);
	uint64_t step_a = ftp_coordinator_holdings_whole(c, nodes & ~FTP_NODE_BIT(a));
	uint64_t step_b = ftp_coordinator_holdings_whole(c, nodes & ~FTP_NODE_BIT(b));

	if (!step_a != !step_b)
		return step_a;
	if (n_a != n_b)
		return n_a > n_b;
	if (step_a != step_b)
		return step_a > step_b;
	if (!(central & FTP_NODE_BIT(a)) != !(central & FTP_NODE_BIT(b)))
		return central & FTP_NODE_BIT(b);
	if (speed_ns(c, a) != speed_ns(c, b))
		return speed_ns(c, a) > speed_ns(c, b);
	return a > b;
}

/* FTP_NO_NODE: none of those that may be left out, or no two of these nodes are cut off. */
static uint32_t choose_one(const struct ftp_coordinator *c, uint64_t nodes, uint64_t kept)
{
	uint32_t best = FTP_NO_NODE;

	for (uint32_t i = 0; i < c->n_nodes; i++) {
		if (!(nodes & ~kept & FTP_NODE_BIT(i)) || !(c->nodes[i].unreached & nodes) ||
			!ftp_coordinator_with_data(c, nodes & ~FTP_NODE_BIT(i)))
			continue;
		if (best == FTP_NO_NODE || is_rather(c, nodes, i, best))
			best = i;
	}
	return best;
}

static void leave_out(struct ftp_coordinator *c, uint32_t node, uint64_t whom, uint64_t now_ns)
{
	c->nodes[node].left_out_for = whom;
	c->nodes[node].left_out_ns = now_ns;
}

/* Of the unit's holders the one that most of the nodes reach; whom it does not. */
static uint64_t cut_off(
	const struct ftp_coordinator *c, uint64_t holders, uint64_t nodes, uint32_t *giver)
{
	uint64_t best = UINT64_MAX;

	for (uint32_t i = 0; i < c->n_nodes; i++) {
		uint64_t whom = c->nodes[i].unreached & nodes;

		if (!(holders & FTP_NODE_BIT(i)) ||
			__builtin_popcountll(whom) >= __builtin_popcountll(best))
			continue;
		best = whom;
		*giver = i;
	}
	return best;
}

/* Where one that is left out has what nobody else has, and that was stable once, those whom it does
 * not reach can be no stages either: some must be left that it does. */
static void make_way(struct ftp_coordinator *c, uint64_t kept, uint64_t now_ns)
{
	uint64_t nodes = ftp_coordinator_usable(c);
	struct ftp_catalogue_snapshot s;

	if (!ftp_coordinator_wait_known(c) || !ftp_coordinator_holdings_step(c, &s))
		return;
	for (uint32_t u = 0; u < c->settings.n_units; u++) {
		uint32_t giver = FTP_NO_NODE;
		uint64_t whom = cut_off(c, s.holders[u], nodes, &giver);

		if (whom & kept || !ftp_coordinator_with_data(c, nodes & ~whom))
			continue;
		for (uint32_t i = 0; i < c->n_nodes; i++)
			if (whom & FTP_NODE_BIT(i))
				leave_out(c, i, FTP_NODE_BIT(giver), now_ns);
		nodes &= ~whom;
	}
}

bool ftp_coordinator_reach_gives(
	const struct ftp_coordinator *c, const struct ftp_catalogue_snapshot *s)
{
	uint64_t nodes = ftp_coordinator_usable(c);
	uint32_t giver;

	for (uint32_t u = 0; u < c->settings.n_units; u++)
		if (cut_off(c, s->holders[u], nodes, &giver))
			return false;
	return true;
}

uint64_t ftp_coordinator_reach_of(const struct ftp_coordinator *c, uint32_t node, uint64_t nodes)
{
	uint64_t reached = nodes & ~c->nodes[node].unreached;

	return reached ? reached : nodes;
}

void ftp_coordinator_reach_choose(
	struct ftp_coordinator *c, uint64_t kept, uint64_t now_ns, struct ftp_actions *a)
{
	uint64_t before = ftp_coordinator_reach_left_out(c), left_out, nodes;
	char why[400], who[128], text[600];
	uint32_t node;

	if (!ftp_coordinator_reach_describe(c, why, sizeof(why)))
		return;
	for (uint32_t i = 0; i < c->n_nodes; i++) /* judged anew: more is known by now */
		if (c->nodes[i].unreached)
			c->nodes[i].left_out_for = 0;
	nodes = ftp_coordinator_usable(c);
	while ((node = choose_one(c, nodes, kept)) != FTP_NO_NODE) {
		leave_out(c, node, c->nodes[node].unreached & nodes, now_ns);
		nodes &= ~FTP_NODE_BIT(node);
	}
	make_way(c, kept, now_ns);
	left_out = ftp_coordinator_reach_left_out(c);
	if (!(left_out & ~before))
		return;
	ftp_coordinator_list(c, left_out, who, sizeof(who));
	snprintf(text, sizeof(text), "%s; left out: %s", why, who);
	ftp_actions_log(a, FTP_LOG_WARNING, "%s", text);
	if (!ftp_coordinator_recovering(c))
		return;
	snprintf(c->recovery.sign, sizeof(c->recovery.sign), "%s", text);
	ftp_coordinator_event_failure(c, FTP_NO_NODE, 0, text, now_ns, a);
}

void ftp_coordinator_reach_again(struct ftp_coordinator *c, uint64_t now_ns)
{
	for (uint32_t i = 0; i < c->n_nodes; i++)
		if (c->nodes[i].left_out_for && now_ns >= c->nodes[i].left_out_ns + AGAIN_NS)
			take_in(c, i);
}
