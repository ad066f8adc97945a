#include "runtime/measures.h"

#include "runtime/base/clock.h"
#include "runtime/moves.h"

#define N_RING	 1024
#define EVERY_NS (100 * FTP_NS_PER_MS)

void ftp_measures_init(struct ftp_measures *m, struct ftp_node_metrics *metrics,
	struct ftp_region *region, uint32_t batch)
{
	*m = (struct ftp_measures){.metrics = metrics, .region = region, .batch = batch};
	ftp_spsc_init(&m->ring, N_RING, sizeof(struct ftp_measure));
}

void ftp_measures_deinit(struct ftp_measures *m)
{
	ftp_spsc_deinit(&m->ring);
}

void ftp_measures_begin(struct ftp_measures *m, const struct ftp_plan *plan, int index)
{
	const char *name = plan->stages[index].name;

	ftp_node_metrics_stage(m->metrics, name, index);
	for (int i = 0; i < (int)plan->n_stages; i++)
		if (ftp_moves_connects(plan, index, i))
			ftp_link_metrics_init(&m->links[i], m->metrics, name, plan->stages[i].name);
}

void ftp_measures_add_step(
	struct ftp_measures *m, uint64_t term, uint64_t step, uint64_t compute_ns)
{
	const struct ftp_measure s = {
		.kind = FTP_MEASURE_STEP, .term = term, .step = step, .compute_ns = compute_ns};

	ftp_spsc_push(&m->ring, &s);
}

static void publish_link(struct ftp_measures *m, const struct ftp_assembly *a, int peer)
{
	const struct ftp_connection_stats *s = ftp_netloop_stats(a->net, peer);
	struct ftp_measure link = {.kind = FTP_MEASURE_LINK, .term = a->plan->term};

	if (!s)
		return;
	ftp_link_metrics_set(&m->links[peer], s, ftp_netloop_caps(a->net, peer));
	link.peer = a->plan->stages[peer].node;
	link.rtt_ns = s->smoothed_rtt_ns;
	link.tx_bytes = s->tx_bytes;
	link.rx_bytes = s->rx_bytes;
	ftp_spsc_push(&m->ring, &link);
}

void ftp_measures_publish(struct ftp_measures *m, const struct ftp_assembly *a, uint64_t now_ns)
{
	struct ftp_node_metrics *out = m->metrics;
	double steps;

	if (now_ns < m->due_ns)
		return;
	m->due_ns = now_ns + EVERY_NS;
	steps = (double)ftp_pipeline_step(a->pipeline);
	ftp_metric_set(out->steps, steps);
	ftp_metric_set(out->samples, steps * m->batch);
	ftp_metric_set(out->compute, (double)m->compute_ns * 1e-9);
	ftp_metric_set(out->wait, (double)m->wait_ns * 1e-9);
	ftp_metric_set(out->poll, (double)m->poll_ns * 1e-9);
	ftp_metric_set(out->bubble, (double)m->bubble_ns * 1e-9);
	ftp_metric_set(out->region, (double)ftp_region_used_bytes(m->region));
	ftp_metric_set(out->reorders, (double)ftp_stage_n_reorders(a->stage));
	for (int i = 0; i < (int)a->plan->n_stages; i++)
		publish_link(m, a, i);
}
