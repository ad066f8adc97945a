/* Training under the plan in force: one turn of it, its reports and metrics, and the gathering that
 * ends the run. */
#include <stdio.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/worker_state.h"

bool ftp_worker_train_is_on(const struct ftp_worker *w)
{
	return w->transition.now == FTP_NOW_TRAINING || w->transition.now == FTP_NOW_HOLDING;
}

void ftp_worker_train_begin(struct ftp_worker *w, uint64_t now_ns)
{
	if (!w->train_start_ns)
		w->train_start_ns = now_ns;
	w->timed_step = ftp_pipeline_step(w->now->pipeline);
	ftp_measures_begin(&w->measures, w->now->plan, w->now->member);
	ftp_tempo_restart(&w->tempo, w->now->plan->term, w->timed_step + 1);
}

/* Rows go to the control thread while its ring has room; else training waits for it. */
static bool take_report(struct ftp_worker *w)
{
	struct ftp_pipeline *pipeline = w->now->pipeline;
	const struct ftp_pipeline_report r = ftp_pipeline_report(pipeline);
	const struct ftp_outcome o = {
		.kind = r.kind == FTP_REPORT_STEP ? FTP_OUTCOME_STEP : FTP_OUTCOME_EVALUATED,
		.step = r.step,
		.loss = r.loss,
		.n_correct = r.n_correct,
		.n_samples = r.n_samples};

	if (r.kind == FTP_REPORT_NONE || ftp_spsc_room(&w->outcomes) <= FTP_WORKER_REPORT_ROOM)
		return false;
	ftp_worker_report(w, &o);
	if (r.kind == FTP_REPORT_STEP)
		ftp_metric_set(w->params.metrics->loss, r.loss);
	ftp_pipeline_take_report(pipeline);
	return true;
}

static void measure_step(struct ftp_worker *w, uint64_t step)
{
	const struct ftp_plan *plan = w->now->plan;
	struct ftp_outcome o = {.kind = FTP_OUTCOME_TRACED};

	ftp_measures_add_step(&w->measures, plan->term, step, ftp_tempo_take_step(&w->tempo, step));
	w->timed_step = step;
	o.trace = ftp_spans_take(&w->tempo.spans, step == plan->last_step);
	if (o.trace)
		ftp_worker_report(w, &o);
}

static void start_gathering(struct ftp_worker *w, uint64_t now_ns)
{
	struct ftp_error err;

	ftp_worker_plan_ended(w);
	if (ftp_gather_new(&w->gather, w->now, now_ns, &err))
		ftp_worker_fail(w, "%s", err.text);
}

static void watch_peers(struct ftp_worker *w, uint64_t step, uint64_t now_ns)
{
	if (w->transition.survives && w->transition.now == FTP_NOW_TRAINING)
		ftp_rollcall_stepped(
			&w->rollcall, w->now->plan, w->now->member, w->now->net, step, now_ns);
}

/* At most one kernel task's primitive between two looks at the network. */
static bool train(struct ftp_worker *w, uint64_t now_ns)
{
	struct ftp_pipeline *pipeline = w->now->pipeline;
	bool worked = ftp_pipeline_serve(pipeline, now_ns);
	uint64_t start_ns = ftp_clock_now_ns(), end_ns;
	enum ftp_tempo_turn turn = ftp_tempo_turn(&w->tempo, pipeline, start_ns);

	end_ns = ftp_clock_now_ns();
	if (turn == FTP_TEMPO_THROTTLED) {
		w->measures.compute_ns += end_ns - now_ns;
	} else if (turn == FTP_TEMPO_COMPUTED) {
		w->measures.compute_ns += end_ns - start_ns;
		w->measures.poll_ns += start_ns - now_ns;
	} else {
		w->measures.poll_ns += end_ns - now_ns;
		w->measures.bubble_ns += end_ns - now_ns;
	}
	if (ftp_pipeline_step(pipeline) != w->timed_step) {
		watch_peers(w, ftp_pipeline_step(pipeline), end_ns);
		ftp_worker_snapshots_stepped(w, ftp_pipeline_step(pipeline));
		measure_step(w, ftp_pipeline_step(pipeline));
		ftp_worker_note(w, FTP_RECORD_STEP, end_ns, "", ftp_pipeline_step(pipeline),
			w->now->plan->term);
	}
	worked |= take_report(w);
	if (!w->train_end_ns && ftp_pipeline_step(pipeline) == w->now->plan->last_step)
		w->train_end_ns = end_ns;
	if (ftp_pipeline_has_ended(pipeline))
		start_gathering(w, end_ns);
	return turn == FTP_TEMPO_COMPUTED || worked;
}

/* digest: the central node's; else NULL. */
static void finish(struct ftp_worker *w, const char *digest)
{
	const struct ftp_outcome o = {.kind = FTP_OUTCOME_FINISHED,
		.step = w->now->plan->last_step,
		.train_s = (double)(w->train_end_ns - w->train_start_ns) * 1e-9,
		.text = digest ? strdup(digest) : NULL};

	w->finished = true;
	ftp_worker_report(w, &o);
}

/* false: it is not written yet. */
static bool take_file(struct ftp_worker *w)
{
	struct ftp_model_file *f = ftp_model_writer_written(w->writer);

	if (!f)
		return false;
	ftp_assert(f == w->file);
	w->file = NULL;
	if (f->failed)
		ftp_worker_fail(w, "%s", f->err.text);
	else
		finish(w, f->digest);
	ftp_model_file_free(f);
	return true;
}

static bool end(struct ftp_worker *w)
{
	if (w->finished || w->failed)
		return false;
	if (w->file)
		return take_file(w);
	if (!w->gather || !ftp_gather_is_done(w->gather))
		return false;
	if (w->now->member != 0) {
		finish(w, NULL);
		return true;
	}
	w->file = ftp_model_file_new(
		w->gather, w->params.model, w->params.dataset, w->params.run_dir);
	w->gather = NULL;
	ftp_model_writer_write(w->writer, w->file);
	return true;
}

void ftp_worker_train_halt(struct ftp_worker *w)
{
	ftp_gather_free(w->gather);
	w->gather = NULL;
	if (w->file)
		ftp_model_writer_drop(w->writer, w->file);
	w->file = NULL;
	w->finished = false;
	w->train_end_ns = 0;
}

bool ftp_worker_train_turn(struct ftp_worker *w, uint64_t now_ns)
{
	if (ftp_worker_train_is_on(w))
		return train(w, now_ns);
	return w->transition.now == FTP_NOW_ENDED && end(w);
}
