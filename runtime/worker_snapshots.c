/* Snapshots of the plan in force, and the store that outlives it. */
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/worker_state.h"

/* Digests and sending wait for a turn without other work, but not longer than this. */
#define PATIENCE_NS (20 * FTP_NS_PER_MS)

void ftp_worker_snapshots_retain(struct ftp_worker *w, const struct ftp_retain *m)
{
	const struct ftp_plan *plan = w->transition.now_plan;

	if (plan && m->term != plan->term)
		return; /* said of a plan that was in force before */
	ftp_snapshots_retain(w->snapshots, m->step, m->n_steps, m->next);
	if (plan && w->now->replicas && m->next <= plan->last_step)
		ftp_replicas_name(w->now->replicas, m->next, m->global);
}

void ftp_worker_snapshots_stepped(struct ftp_worker *w, uint64_t step)
{
	uint64_t start_ns = ftp_clock_now_ns(), took_ns;

	if (!w->now->replicas || !ftp_replicas_stepped(w->now->replicas, step))
		return;
	took_ns = ftp_clock_now_ns() - start_ns;
	w->export_ns += took_ns;
	w->measures.poll_ns += took_ns;
	ftp_worker_note(w, FTP_RECORD_SNAPSHOT, start_ns, "", step, took_ns);
	ftp_log_debug("snapshot after step %llu: copied in %.2f ms", (unsigned long long)step,
		(double)took_ns * 1e-6);
}

static bool work(struct ftp_worker *w, uint64_t now_ns)
{
	struct ftp_replica_news news;

	if (!w->now || !w->now->replicas || !ftp_replicas_turn(w->now->replicas, &news, now_ns))
		return false;
	if (!news.step)
		return true;
	/* There is room: no third snapshot is named before all was heard of the first. */
	ftp_assert(ftp_spsc_push(&w->news, &news));
	w->has_news = true;
	return true;
}

bool ftp_worker_snapshots_turn(struct ftp_worker *w, bool is_idle, uint64_t now_ns)
{
	if (!is_idle && !w->overdue_ns)
		w->overdue_ns = now_ns + PATIENCE_NS;
	if (!is_idle && now_ns < w->overdue_ns)
		return false;
	if (work(w, now_ns))
		return true;
	w->overdue_ns = 0;
	if (w->has_news) {
		w->has_news = false;
		ftp_node_metrics_snapshots(w->params.metrics, &w->replica_stats, w->export_ns);
		ftp_waker_wake(&w->control_waker);
	}
	return is_idle && ftp_snapshots_tidy(w->snapshots);
}
