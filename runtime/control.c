#include "runtime/control.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/own_files.h"
#include "runtime/base/waker.h"
#include "runtime/control_state.h"
#include "runtime/news.h"

#define PROGRESS_EVERY_NS (100 * FTP_NS_PER_MS)

void ftp_control_note(
	struct ftp_control *c, enum ftp_record_kind kind, const char *text, uint64_t a, uint64_t b)
{
	ftp_recorder_note(
		c->params->recorder, FTP_RECORDER_CONTROL, kind, ftp_clock_now_ns(), text, a, b);
}

/* false: the ledger is full, and there is more. A step of another plan says nothing of this one. */
static bool take_measures(struct ftp_control *c)
{
	struct ftp_measure m;

	while (c->ledger.progress.n_steps < FTP_PROGRESS_MAX_STEPS) {
		if (!ftp_worker_measure(c->params->worker, &m))
			return true;
		if (m.kind == FTP_MEASURE_LINK)
			ftp_ledger_set_link(&c->ledger, m.peer, m.rtt_ns, m.tx_bytes, m.rx_bytes);
		else if (m.term == c->standing.term)
			ftp_ledger_add_step(&c->ledger, m.step, m.compute_ns);
	}
	return false;
}

/* Without a coordinator the losses are kept, and the times of steps are not. */
static bool take_news(struct ftp_control *c)
{
	bool all = take_measures(c);

	if (c->is_joined)
		return ftp_ledger_take_rows(&c->ledger) && all;
	ftp_ledger_flush(&c->ledger);
	return all;
}

void ftp_control_send_progress(struct ftp_control *c)
{
	struct ftp_node_metrics *m = c->params->metrics;
	struct ftp_progress *p = &c->ledger.progress;
	bool all;

	if (!m->steps || !c->standing.term)
		return;
	do {
		all = take_news(c);
		if (!c->is_joined)
			continue;
		p->term = c->standing.term;
		p->now_ns = ftp_clock_now_ns();
		p->samples = (uint64_t)ftp_metric_get(m->samples);
		p->compute_s = ftp_metric_get(m->compute);
		p->wait_s = ftp_metric_get(m->wait);
		p->poll_s = ftp_metric_get(m->poll);
		ftp_jsonrpc_notify(c->rpc, FTP_METHOD_PROGRESS, ftp_progress_encode(p));
		ftp_ledger_flush(&c->ledger);
	} while (!all);
}

static void on_step(struct ftp_control *c, struct ftp_outcome *o)
{
	ftp_ledger_add_row(&c->ledger, o->step, o->loss);
	c->standing.row_term = c->standing.term;
	if (c->is_new || ftp_ledger_untold(&c->ledger) >= FTP_PROGRESS_MAX_ROWS)
		ftp_control_send_progress(c);
	c->is_new = false;
}

static void on_traced(struct ftp_control *c, struct ftp_outcome *o)
{
	if (c->is_joined)
		ftp_jsonrpc_notify(c->rpc, FTP_METHOD_TRACE, ftp_trace_encode(o->trace));
}

static void tell_evaluated(struct ftp_control *c)
{
	if (c->is_joined)
		ftp_jsonrpc_notify(
			c->rpc, FTP_METHOD_EVALUATED, ftp_evaluated_encode(&c->evaluated));
}

static void on_evaluated(struct ftp_control *c, struct ftp_outcome *o)
{
	c->evaluated = (struct ftp_evaluated){.term = c->standing.term,
		.step = o->step,
		.n_correct = o->n_correct,
		.n_samples = o->n_samples,
		.loss = o->loss};
	ftp_control_send_progress(c);
	tell_evaluated(c);
}

static void tell_finished(struct ftp_control *c)
{
	if (c->is_joined)
		ftp_jsonrpc_notify(c->rpc, FTP_METHOD_FINISHED, ftp_finished_encode(&c->finished));
}

static void on_finished(struct ftp_control *c, struct ftp_outcome *o)
{
	struct ftp_finished *f = &c->finished;

	*f = (struct ftp_finished){
		.term = c->standing.term, .step = o->step, .train_s = o->train_s};
	if (o->text)
		memcpy(f->params_digest, o->text, sizeof(f->params_digest));
	ftp_control_send_progress(c);
	tell_finished(c);
}

void ftp_control_tell_again(struct ftp_control *c)
{
	ftp_control_send_progress(c);
	if (c->evaluated.step && c->evaluated.term == c->standing.term)
		tell_evaluated(c);
	if (c->finished.step && c->finished.term == c->standing.term)
		tell_finished(c);
}

static void answer(
	struct ftp_control *c, uint64_t *call, int code, json_t *result, const char *text)
{
	if (*call && *call != FTP_STANDING_ORPHAN)
		ftp_jsonrpc_answer(c->rpc, *call, code, result, text);
	else
		json_decref(result);
	*call = 0;
}

static void on_failed(struct ftp_control *c, struct ftp_outcome *o)
{
	struct ftp_failed f;

	snprintf(f.reason, sizeof(f.reason), "%s", o->text ? o->text : "out of memory");
	c->failed = ftp_error_set(c->err, EIO, "%s", f.reason);
	ftp_control_send_progress(c);
	answer(c, &c->standing.profile_call, FTP_JSONRPC_STATE, NULL, f.reason);
	answer(c, &c->standing.probe_call, FTP_JSONRPC_STATE, NULL, f.reason);
	for (int i = 0; i < FTP_N_TRANSITION_CALLS; i++)
		answer(c, &c->standing.calls[i], FTP_JSONRPC_STATE, NULL, f.reason);
	if (c->is_joined)
		ftp_jsonrpc_notify(c->rpc, FTP_METHOD_FAILED, ftp_failed_encode(&f));
}

static json_t *prepared_result(const struct ftp_outcome *o)
{
	return ftp_prepared_encode(
		&(struct ftp_prepared){.term = o->term, .memory_bytes = o->memory_bytes});
}

static json_t *hold_result(const struct ftp_outcome *o)
{
	return ftp_hold_encode(&(struct ftp_hold){.term = o->term, .step = o->step});
}

static json_t *transfer_result(const struct ftp_outcome *o)
{
	return ftp_transferred_encode(&(struct ftp_transferred){.term = o->term,
		.bytes = o->received_bytes,
		.receive_ns = o->receive_ns,
		.import_ns = o->import_ns});
}

static json_t *empty_result(const struct ftp_outcome *o)
{
	(void)o;
	return json_object();
}

/* What the node holds from now on is what it holds then: losses up to now come first. */
static json_t *halt_result(const struct ftp_outcome *o)
{
	return ftp_inventory_encode(o->inventory);
}

/* Which plans the node has, for a coordinator that was away. */
static void note_plan(struct ftp_control *c, const struct ftp_outcome *o)
{
	if (o->call == FTP_CALL_HALT && !o->text)
		ftp_control_send_progress(c);
	if (!ftp_standing_answered(&c->standing, o->call, o->term, o->text))
		return;
	c->ledger.progress.step = o->step;
	ftp_ledger_forget(&c->ledger);
	c->is_new = true;
}

static void on_answered(struct ftp_control *c, struct ftp_outcome *o)
{
	static json_t *(*const results[])(const struct ftp_outcome *) = {
		[FTP_CALL_PREPARE] = prepared_result,
		[FTP_CALL_HOLD] = hold_result,
		[FTP_CALL_TRANSFER] = transfer_result,
		[FTP_CALL_COMMIT] = empty_result,
		[FTP_CALL_ABANDON] = empty_result,
		[FTP_CALL_HALT] = halt_result,
	};

	note_plan(c, o);
	answer(c, &c->standing.calls[o->call], o->text ? FTP_JSONRPC_STATE : 0,
		o->text ? NULL : results[o->call](o), o->text);
}

/* All rows up to the step have come before it. */
static void on_held(struct ftp_control *c, struct ftp_outcome *o)
{
	ftp_control_send_progress(c);
	if (c->is_joined)
		ftp_jsonrpc_notify(c->rpc, FTP_METHOD_HELD, ftp_held_encode(o->held));
}

static void on_lost(struct ftp_control *c, struct ftp_outcome *o)
{
	struct ftp_lost m = {.term = o->term, .node = o->peer, .silence_ns = o->silence_ns};

	snprintf(m.text, sizeof(m.text), "%s", o->text);
	if (o->term != c->standing.next_term) { /* of the plan in force */
		ftp_standing_lose_peer(&c->standing);
		ftp_control_send_progress(c);
	}
	if (c->is_joined)
		ftp_jsonrpc_notify(c->rpc, FTP_METHOD_LOST, ftp_lost_encode(&m));
}

static void on_inventory(struct ftp_control *c, struct ftp_outcome *o)
{
	ftp_control_send_progress(c); /* as before a halt */
	answer(c, &c->standing.inventory_call, 0, ftp_inventory_encode(o->inventory), NULL);
}

static void on_profiled(struct ftp_control *c, struct ftp_outcome *o)
{
	answer(c, &c->standing.profile_call, o->text ? FTP_JSONRPC_STATE : 0,
		o->text ? NULL : ftp_profile_encode(o->profile), o->text);
}

static void on_probed(struct ftp_control *c, struct ftp_outcome *o)
{
	answer(c, &c->standing.probe_call, o->text ? FTP_JSONRPC_STATE : 0,
		o->text ? NULL : ftp_links_encode(o->links), o->text);
}

/* Nobody goes back to a step whose losses are not known. */
static void tell_losses(void *arg)
{
	struct ftp_control *c = arg;

	if (ftp_ledger_untold(&c->ledger))
		ftp_control_send_progress(c);
}

static void take_outcomes(struct ftp_control *c)
{
	static void (*const handlers[])(struct ftp_control *, struct ftp_outcome *) = {
		[FTP_OUTCOME_PROFILED] = on_profiled,
		[FTP_OUTCOME_PROBED] = on_probed,
		[FTP_OUTCOME_ANSWERED] = on_answered,
		[FTP_OUTCOME_HELD] = on_held,
		[FTP_OUTCOME_LOST] = on_lost,
		[FTP_OUTCOME_INVENTORY] = on_inventory,
		[FTP_OUTCOME_STEP] = on_step,
		[FTP_OUTCOME_EVALUATED] = on_evaluated,
		[FTP_OUTCOME_TRACED] = on_traced,
		[FTP_OUTCOME_FINISHED] = on_finished,
		[FTP_OUTCOME_FAILED] = on_failed,
	};
	struct ftp_outcome o;

	while (ftp_worker_outcome(c->params->worker, &o)) {
		if (o.kind != FTP_OUTCOME_STEP)
			ftp_control_note(
				c, FTP_RECORD_OUTCOME, o.text ? o.text : "", o.kind, o.step);
		handlers[o.kind](c, &o);
		ftp_worker_outcome_clear(&o);
	}
	ftp_news_tell(c->params->worker, c->is_joined ? c->rpc : NULL, tell_losses, c);
	ftp_news_tell_persisted(c->params->worker, c->is_joined ? c->rpc : NULL);
}

static int poll_timeout_ms(struct ftp_control *c, uint64_t now_ns)
{
	uint64_t until = c->progress_due_ns, link_ns = ftp_control_link_deadline(c);

	if (link_ns < until)
		until = link_ns;
	return until <= now_ns ? 0 : (int)((until - now_ns) / FTP_NS_PER_MS + 1);
}

static int serve(struct ftp_control *c, int stop_fd, struct ftp_error *err)
{
	struct ftp_waker *waker = ftp_worker_waker(c->params->worker);
	int rc;

	while (!c->stop && !c->failed) {
		uint64_t now_ns = ftp_clock_now_ns();
		struct pollfd fds[] = {
			{.fd = c->rpc ? ftp_jsonrpc_fd(c->rpc) : -1},
			{.fd = waker->fd, .events = POLLIN},
			{.fd = stop_fd, .events = POLLIN},
		};

		ftp_waker_arm(waker);
		take_outcomes(c);
		fds[0].events = c->rpc ? ftp_jsonrpc_poll_events(c->rpc) : 0;
		poll(fds, 3, poll_timeout_ms(c, now_ns));
		ftp_waker_disarm(waker);
		now_ns = ftp_clock_now_ns();
		if (fds[2].revents)
			return 0;
		take_outcomes(c);
		if (now_ns >= c->progress_due_ns) {
			c->progress_due_ns = now_ns + PROGRESS_EVERY_NS;
			ftp_control_send_progress(c);
		}
		rc = ftp_control_link_turn(c, now_ns, err);
		if (rc)
			return rc;
	}
	return c->failed;
}

struct life {
	const struct ftp_control_params *params;
	int stop_fd, rc;
	struct ftp_error *err;
};

/* So that the coordinator sees the end of the connection as soon as the process is killed. */
static void take_own_files(const struct life *l)
{
	const int keep[] = {l->stop_fd, ftp_worker_waker(l->params->worker)->fd,
		ftp_worker_command_fd(l->params->worker)};
	struct ftp_error why;

	if (ftp_own_files(keep, sizeof(keep) / sizeof(keep[0]), &why))
		ftp_log_warn("%s; if this node is killed others learn of it later", why.text);
}

static void *live(void *arg)
{
	struct life *l = arg;
	struct ftp_control *c = calloc(1, sizeof(*c));

	ftp_assert(c);
	pthread_setname_np(pthread_self(), "control");
	take_own_files(l);
	c->params = l->params;
	c->err = l->err;
	l->rc = ftp_control_connect(c, l->err);
	if (!l->rc)
		l->rc = serve(c, l->stop_fd, l->err);
	if (l->rc)
		ftp_control_note(c, FTP_RECORD_FAILED, l->err->text, 0, 0);
	c->err = NULL; /* free() ends open calls: no news any more */
	ftp_jsonrpc_free(c->rpc);
	free(c);
	return NULL;
}

int ftp_control_run(const struct ftp_control_params *params, int stop_fd, struct ftp_error *err)
{
	struct life l = {.params = params, .stop_fd = stop_fd, .err = err};
	pthread_t thread;
	int rc = pthread_create(&thread, NULL, live, &l);

	if (rc)
		return ftp_error_set(err, rc, "no thread for control: %s", strerror(rc));
	pthread_join(thread, NULL);
	return l.rc;
}
