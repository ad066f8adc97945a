/* What the stages tell of their time: losses, rates, slowness. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/coordinator_state.h"

/* Steps shorter than this count together: what lasts a few of them is the operating system's slice
 * of another process, no change of the node. */
#define COUNTED_NS (100.0 * FTP_NS_PER_MS)

/* First steps of a plan: the memory of its stages is new. */
#define COLD_STEPS 2

/* Of a message of the plan in force, which may still be in doubt; anything else is late. */
bool ftp_coordinator_in_training(const struct ftp_coordinator *c, uint32_t node, uint64_t term,
	const char *method, struct ftp_actions *a)
{
	if ((c->state == FTP_RUN_TRAINING || c->state == FTP_RUN_RESUMING) &&
		term == c->plan.term && ftp_coordinator_stage_of(&c->plan, node) != FTP_NO_NODE)
		return true;
	ftp_actions_log(a, FTP_LOG_DEBUG, "dropped a late %s of term %llu", method,
		(unsigned long long)term);
	return false;
}

bool ftp_coordinator_is_last(const struct ftp_coordinator *c, uint32_t node)
{
	return ftp_coordinator_stage_of(&c->plan, node) == c->plan.n_stages - 1;
}

static void note_rate(struct ftp_coordinator *c, uint64_t now_ns)
{
	if (now_ns - c->rate[c->n_rate - 1].at_ns < FTP_NS_PER_S / 2)
		return;
	if (c->n_rate == FTP_RATE_SAMPLES)
		memmove(c->rate, c->rate + 1, --c->n_rate * sizeof(*c->rate));
	c->rate[c->n_rate].at_ns = now_ns;
	c->rate[c->n_rate++].row = c->last_row;
}

/* Rows come in order and once; a repetition is dropped, a gap or a stranger's row breaks the
 * protocol. */
static int take_rows(struct ftp_coordinator *c, uint32_t node, const struct ftp_progress *m,
	uint64_t now_ns, struct ftp_actions *a, struct ftp_error *err)
{
	uint64_t before = c->last_row;

	if (m->n_rows && !ftp_coordinator_is_last(c, node))
		return ftp_error_set(err, EPROTO, "loss rows from a stage that is not the last");
	for (uint32_t i = 0; i < m->n_rows; i++) {
		struct ftp_action *row;

		if (m->row_step[i] <= c->last_row)
			continue;
		if (m->row_step[i] != c->last_row + 1 || m->row_step[i] > c->last_step)
			return ftp_error_set(err, EPROTO,
				"the loss of step %llu after that of %llu",
				(unsigned long long)m->row_step[i],
				(unsigned long long)c->last_row);
		row = ftp_actions_add(a, FTP_ACTION_ROW);
		row->step = c->last_row = m->row_step[i];
		row->loss = c->last_loss = m->row_loss[i];
		ftp_coordinator_period_row(c, row->step, now_ns);
		c->losses[row->step % FTP_LATE_ROWS] = row->loss;
	}
	if (c->last_row > before) {
		c->last_row_ns = now_ns;
		note_rate(c, now_ns);
		ftp_coordinator_recovery_row(c, now_ns, a);
	}
	return 0;
}

/* A node that has not yet heard of the commit still tells of the old term: all its losses were
 * known before. */
static int on_old_progress(struct ftp_coordinator *c, uint32_t node, const struct ftp_progress *m,
	uint64_t now_ns, struct ftp_error *err)
{
	ftp_detector_heard(&c->nodes[node].detector, now_ns);
	if (m->n_rows && m->row_step[m->n_rows - 1] > c->last_row)
		return ftp_error_set(err, EPROTO, "a loss of term %llu after its end",
			(unsigned long long)m->term);
	return 0;
}

static void note_slowness(struct ftp_coordinator *c, uint32_t node, const struct ftp_progress *m,
	uint64_t now_ns, struct ftp_actions *a)
{
	const struct ftp_plan_stage *s = &c->plan.stages[ftp_coordinator_stage_of(&c->plan, node)];
	double profiled_ns = ftp_coordinator_profiled_ns(c, node, s->first_unit, s->end_unit);
	struct ftp_coordinator_node *n = &c->nodes[node];

	for (uint32_t i = 0; i < m->n_steps && profiled_ns > 0; i++) {
		if (m->step + i < c->plan_step + COLD_STEPS + m->n_steps)
			continue;
		n->counted_ns += (double)m->step_compute_ns[i];
		n->counted_profiled_ns += profiled_ns;
		if (n->counted_ns < COUNTED_NS)
			continue;
		ftp_slowness_note(&n->slowness, n->counted_ns / n->counted_profiled_ns);
		n->counted_ns = n->counted_profiled_ns = 0;
	}
	if (ftp_slowness_differs(n->slowness.value, n->told_slowness, FTP_SLOWNESS_CHANGE)) {
		ftp_coordinator_event(c, "slowness",
			json_pack("{s:s, s:f, s:f}", "node", s->name, "value", n->slowness.value,
				"before", n->told_slowness),
			now_ns, a);
		n->told_slowness = n->slowness.value;
	}
}

/* Bytes of a link are sums since the plan began. */
static void note_links(
	struct ftp_coordinator_node *n, const struct ftp_progress *m, uint64_t now_ns)
{
	double seconds = (double)(now_ns - n->links_ns) / (double)FTP_NS_PER_S;

	if (seconds < 0.5 && n->n_links == m->n_links)
		return;
	for (uint32_t i = 0; i < m->n_links; i++) {
		bool same = seconds > 0 && i < n->n_links && n->links[i].peer == m->link_peer[i] &&
			    m->link_tx_bytes[i] >= n->links[i].tx_bytes;

		n->links[i].tx_bytes_per_s =
			same ? (double)(m->link_tx_bytes[i] - n->links[i].tx_bytes) / seconds : 0;
		n->links[i].peer = m->link_peer[i];
		n->links[i].rtt_ns = m->link_rtt_ns[i];
		n->links[i].tx_bytes = m->link_tx_bytes[i];
		n->links[i].rx_bytes = m->link_rx_bytes[i];
	}
	n->n_links = m->n_links;
	n->links_ns = now_ns;
}

/* What came fastest was delayed least. */
static void note_clock(
	struct ftp_coordinator_node *n, const struct ftp_progress *m, uint64_t now_ns)
{
	int64_t offset_ns = (int64_t)(now_ns - m->now_ns);

	if (!n->offset_known || offset_ns < n->offset_ns)
		n->offset_ns = offset_ns;
	n->offset_known = true;
}

static void tell(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	struct ftp_planner_answer answer;
	struct ftp_planner_plan in_force;

	if (now_ns < c->told_ns + FTP_NS_PER_S)
		return;
	c->told_ns = now_ns;
	ftp_coordinator_target_in_force(c, &in_force);
	c->predicted_s = ftp_coordinator_predict(c, &in_force, &answer, NULL)
				 ? 0
				 : (double)answer.step_ns / (double)FTP_NS_PER_S;
	ftp_coordinator_event_progress(c, now_ns, a);
}

/* Before any of it is believed. */
static int check_progress(
	const struct ftp_coordinator *c, const struct ftp_progress *m, struct ftp_error *err)
{
	if (m->step > c->last_step)
		return ftp_error_set(err, EPROTO, "step: %llu, but the last one is %llu",
			(unsigned long long)m->step, (unsigned long long)c->last_step);
	for (uint32_t i = 0; i < m->n_links; i++)
		if (m->link_peer[i] >= c->n_nodes)
			return ftp_error_set(err, EPROTO,
				"link_peer[%u]: %u, but the run has %u nodes", i, m->link_peer[i],
				c->n_nodes);
	return 0;
}

static int take_progress(struct ftp_coordinator *c, uint32_t node, const struct ftp_progress *m,
	uint64_t now_ns, struct ftp_actions *a, struct ftp_error *err)
{
	struct ftp_coordinator_node *n = &c->nodes[node];
	int rc = check_progress(c, m, err);

	if (rc)
		return rc;
	if (m->compute_s > n->compute_s || m->step > n->step)
		c->computed_ns = now_ns;
	ftp_detector_heard(&n->detector, now_ns);
	n->step = m->step;
	ftp_coordinator_snapshots_at(c, m->step);
	n->samples = m->samples;
	n->compute_s = m->compute_s;
	n->wait_s = m->wait_s;
	n->poll_s = m->poll_s;
	note_clock(n, m, now_ns);
	note_links(n, m, now_ns);
	note_slowness(c, node, m, now_ns, a);
	tell(c, now_ns, a);
	return take_rows(c, node, m, now_ns, a, err);
}

int ftp_coordinator_on_progress(struct ftp_coordinator *c, uint32_t node, const json_t *body,
	uint64_t now_ns, struct ftp_actions *a, struct ftp_error *err)
{
	struct ftp_progress *m = malloc(sizeof(*m));
	int rc;

	ftp_assert(m);
	rc = ftp_progress_decode(m, body, err);
	if (!rc && c->state == FTP_RUN_TRAINING && m->term && m->term == c->old_term)
		rc = on_old_progress(c, node, m, now_ns, err);
	else if (!rc && ftp_coordinator_in_training(c, node, m->term, FTP_METHOD_PROGRESS, a))
		rc = take_progress(c, node, m, now_ns, a, err);
	free(m);
	return rc;
}

int ftp_coordinator_on_trace(struct ftp_coordinator *c, uint32_t node, const json_t *body,
	uint64_t now_ns, struct ftp_actions *a, struct ftp_error *err)
{
	struct ftp_trace *m = malloc(sizeof(*m));
	int rc;

	ftp_assert(m);
	rc = ftp_trace_decode(m, body, err);
	if (!rc && ftp_coordinator_in_training(c, node, m->term, FTP_METHOD_TRACE, a))
		ftp_coordinator_event_trace(c, node, m, now_ns, a);
	free(m);
	return rc;
}
