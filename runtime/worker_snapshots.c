/* Snapshots of the plan in force, and the store that outlives it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/worker_state.h"

/* Digests and sending wait for a turn without other work, but not longer than this. */
#define PATIENCE_NS (20 * FTP_NS_PER_MS)

int ftp_worker_snapshots_open(struct ftp_worker *w, struct ftp_error *err)
{
	const struct ftp_config_checkpoint *config = &w->params.config->checkpoint;
	struct ftp_checkpointer_spec spec = {.disk = w->params.disk,
		.config = config,
		.model = w->params.model,
		.snapshots = w->snapshots,
		.region = w->params.region};
	struct ftp_error why;
	char *directory;
	int rc = 0;

	if (!config->every)
		return 0;
	ftp_assert(asprintf(&directory, "%s/checkpoint/%s", w->params.run_dir,
			   w->params.config->nodes[w->params.node].name) > 0);
	if (!spec.disk &&
		ftp_disk_open(&spec.disk, directory, config->direct != FTP_DIRECT_OFF, &why))
		spec.disk = NULL;
	spec.why = why.text;
	spec.directory = directory;
	w->checkpointer = ftp_checkpointer_new(&spec);
	if (ftp_checkpointer_stats(w->checkpointer)->lacks_direct)
		rc = ftp_error_set(err, ENOTSUP,
			"checkpoint.direct is on, but the file system of %s has no direct access "
			"(O_DIRECT): set it to auto",
			directory);
	ftp_node_metrics_checkpoint(w->params.metrics, ftp_checkpointer_stats(w->checkpointer));
	free(directory);
	return rc;
}

void ftp_worker_snapshots_close(struct ftp_worker *w)
{
	ftp_checkpointer_free(w->checkpointer);
	ftp_snapshots_free(w->snapshots);
}

void ftp_worker_snapshots_retain(struct ftp_worker *w, const struct ftp_retain *m)
{
	const struct ftp_plan *plan = w->transition.now_plan;

	if (plan && m->term != plan->term)
		return; /* said of a plan that was in force before */
	if (w->checkpointer)
		ftp_checkpointer_retain(w->checkpointer, m, ftp_clock_now_ns());
	ftp_snapshots_retain(w->snapshots, m->step, m->n_steps, m->next);
	if (plan && w->now->replicas && m->next <= plan->last_step)
		ftp_replicas_name(w->now->replicas, m);
}

void ftp_worker_snapshots_stepped(struct ftp_worker *w, uint64_t step)
{
	uint64_t start_ns = ftp_clock_now_ns(), took_ns;

	if (!w->now->replicas || !ftp_replicas_stepped(w->now->replicas, step))
		return;
	took_ns = ftp_clock_now_ns() - start_ns;
	w->export_ns += took_ns;
	w->snapshot_cost_ns += took_ns;
	w->measures.poll_ns += took_ns;
	ftp_worker_note(w, FTP_RECORD_SNAPSHOT, start_ns, "", step, took_ns);
	ftp_log_debug("snapshot after step %llu: copied in %.2f ms", (unsigned long long)step,
		(double)took_ns * 1e-6);
}

bool ftp_worker_snapshots_wait(const struct ftp_worker *w)
{
	return (w->checkpointer && ftp_checkpointer_is_busy(w->checkpointer)) ||
	       (w->now && w->now->replicas && ftp_replicas_wait(w->now->replicas));
}

static bool persist(struct ftp_worker *w, uint64_t now_ns)
{
	const struct ftp_checkpointer_stats *s;
	struct ftp_persisted told;
	bool moved;

	if (!w->checkpointer)
		return false;
	told.step = 0;
	moved = ftp_checkpointer_turn(
		w->checkpointer, ftp_spsc_has_room(&w->persisted) ? &told : NULL, now_ns);
	s = ftp_checkpointer_stats(w->checkpointer);
	if (told.step || s->n_changes != w->n_disk_changes)
		ftp_node_metrics_checkpoint(w->params.metrics, s);
	w->n_disk_changes = s->n_changes;
	if (!told.step)
		return moved;
	ftp_assert(ftp_spsc_push(&w->persisted, &told));
	ftp_waker_wake(&w->control_waker);
	return true;
}

static bool replicate(struct ftp_worker *w, uint64_t now_ns)
{
	struct ftp_replica_news news;
	uint64_t begin_ns;

	if (!w->now || !w->now->replicas)
		return false;
	begin_ns = ftp_clock_now_ns();
	if (!ftp_replicas_turn(w->now->replicas, &news, now_ns))
		return false;
	w->snapshot_cost_ns += ftp_clock_now_ns() - begin_ns;
	if (!news.step)
		return true;
	news.cost_ns = w->snapshot_cost_ns;
	w->snapshot_cost_ns = 0;
	/* There is room: of a snapshot that is not the latest no unit is told. */
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
	if (replicate(w, now_ns) || persist(w, now_ns))
		return true;
	w->overdue_ns = 0;
	if (w->has_news) {
		w->has_news = false;
		ftp_node_metrics_snapshots(w->params.metrics, &w->replica_stats, w->export_ns);
		ftp_waker_wake(&w->control_waker);
	}
	return is_idle && ftp_snapshots_tidy(w->snapshots);
}
