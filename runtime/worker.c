#include "runtime/worker_state.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "kernels/team.h"
#include "runtime/base/clock.h"
#include "runtime/survey.h"

#define N_COMMANDS     8
#define N_OUTCOMES     4096
#define N_NEWS	       (8 * FTP_PROTOCOL_MAX_UNITS) /* two snapshots of own units and guests, twice */
#define N_PERSISTED    4
#define TIMER_SLACK_NS 5000
#define IDLE_SLEEP_NS  (100 * FTP_NS_PER_MS)
#define DISK_SLEEP_NS  FTP_NS_PER_MS /* its completions wake nobody, nor does time */

void ftp_worker_report(struct ftp_worker *w, const struct ftp_outcome *o)
{
	ftp_assert(ftp_spsc_push(&w->outcomes, o));
	ftp_waker_wake(&w->control_waker);
}

void ftp_worker_fail(struct ftp_worker *w, const char *fmt, ...)
{
	struct ftp_outcome o = {.kind = FTP_OUTCOME_FAILED};
	va_list ap;

	if (w->failed)
		return;
	w->failed = true;
	va_start(ap, fmt);
	if (vasprintf(&o.text, fmt, ap) < 0)
		o.text = NULL;
	va_end(ap);
	ftp_worker_note(w, FTP_RECORD_FAILED, ftp_clock_now_ns(), o.text ? o.text : "", 0, 0);
	ftp_worker_report(w, &o);
}

void ftp_worker_note(struct ftp_worker *w, enum ftp_record_kind kind, uint64_t now_ns,
	const char *text, uint64_t a, uint64_t b)
{
	ftp_recorder_note(w->params.recorder, FTP_RECORDER_WORKER, kind, now_ns, text, a, b);
}

/* The worker does nothing else meanwhile. */
static void survey(struct ftp_worker *w, const struct ftp_command *c)
{
	const struct ftp_survey_spec spec = {.params = &w->params,
		.slowdown = w->tempo.throttle.slowdown,
		.impair = w->impair,
		.waker = &w->waker,
		.stop = &w->stop};
	const struct ftp_outcome o = c->kind == FTP_COMMAND_PROFILE
					     ? ftp_survey_units(&spec, c->isa)
					     : ftp_survey_links(&spec, c->probe);

	ftp_worker_report(w, &o);
}

static void emulate(struct ftp_worker *w, const struct ftp_emulate *e, uint64_t now_ns)
{
	struct ftp_assembly *const plans[] = {w->now, w->next};

	w->impair = (struct ftp_impair){.loss = e->loss,
		.delay_ns = e->delay_ns,
		.bandwidth_bytes_per_s = e->bandwidth_bytes};
	ftp_tempo_slow(&w->tempo, e->slowdown, now_ns);
	ftp_node_metrics_slowdown(w->params.metrics, e->slowdown);
	for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++)
		if (plans[i] && plans[i]->net)
			ftp_netloop_impair(plans[i]->net, &w->impair);
}

static bool take_commands(struct ftp_worker *w, uint64_t now_ns)
{
	struct ftp_command c;

	if (!ftp_spsc_pop(&w->commands, &c))
		return false;
	switch (c.kind) {
	case FTP_COMMAND_PROFILE:
	case FTP_COMMAND_PROBE:
		survey(w, &c);
		break;
	case FTP_COMMAND_EMULATE:
		emulate(w, &c.emulate, now_ns);
		break;
	case FTP_COMMAND_CLAIM:
		if (w->checkpointer)
			ftp_checkpointer_claim(w->checkpointer, c.run);
		break;
	case FTP_COMMAND_RETAIN:
		ftp_worker_snapshots_retain(w, &c.retain);
		break;
	case FTP_COMMAND_INVENTORY:
		ftp_worker_report(w, &(struct ftp_outcome){.kind = FTP_OUTCOME_INVENTORY,
					     .inventory = ftp_worker_recovery_inventory(w)});
		break;
	case FTP_COMMAND_PREPARE:
	case FTP_COMMAND_HOLD:
	case FTP_COMMAND_TRANSFER:
	case FTP_COMMAND_COMMIT:
	case FTP_COMMAND_ABANDON:
	case FTP_COMMAND_HALT:
		ftp_worker_plan_command(w, &c, now_ns);
		break;
	}
	return true;
}

/* When the throttled task goes on; 0: none is. */
static uint64_t resume_ns(const struct ftp_worker *w)
{
	return ftp_worker_train_is_on(w) ? ftp_tempo_resume_ns(&w->tempo) : 0;
}

static void sleep_until_work(struct ftp_worker *w)
{
	struct ftp_netloop *const nets[] = {
		w->now ? w->now->net : NULL, w->next ? w->next->net : NULL};
	struct pollfd fd = {.fd = w->waker.fd, .events = POLLIN};
	uint64_t start_ns = ftp_clock_now_ns(), slept_ns;
	bool is_throttled = resume_ns(w), is_due = ftp_worker_snapshots_wait(w);
	uint64_t until_ns = resume_ns(w);

	if (is_due && (!until_ns || until_ns > start_ns + DISK_SLEEP_NS))
		until_ns = start_ns + DISK_SLEEP_NS;
	if (nets[0] || nets[1])
		ftp_netloop_sleep(nets, 2, &fd, 1, start_ns, until_ns);
	else
		ftp_poller_sleep(&fd, 1, is_due ? DISK_SLEEP_NS : IDLE_SLEEP_NS);
	slept_ns = ftp_clock_now_ns() - start_ns;
	if (is_throttled) {
		w->measures.compute_ns += slept_ns;
	} else if (w->transition.now_plan && w->transition.now != FTP_NOW_ENDED) {
		w->measures.wait_ns += slept_ns;
		w->measures.bubble_ns += slept_ns;
	}
}

/* rx burst, connections, schedule, at most one primitive, tx burst. */
static bool turn(struct ftp_worker *w)
{
	uint64_t now_ns = ftp_clock_now_ns();
	bool worked = take_commands(w, now_ns);

	worked |= ftp_worker_links_serve(w, now_ns);
	worked |= ftp_worker_train_turn(w, now_ns);
	worked |= ftp_worker_plan_turn(w, now_ns);
	worked |= ftp_worker_snapshots_turn(w, !worked, now_ns);
	worked |= ftp_worker_plan_tidy(w, !worked, now_ns);
	if (w->now)
		ftp_measures_publish(&w->measures, w->now, now_ns);
	return worked;
}

static void *worker_main(void *arg)
{
	struct ftp_worker *w = arg;

	ftp_team_set((int)w->params.config->training.threads);
	prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS); /* a throttled task's wake-up is to be exact */
	while (!atomic_load_explicit(&w->stop, memory_order_relaxed)) {
		if (ftp_poller_turn(&w->poller, turn(w)) && !resume_ns(w))
			continue;
		ftp_waker_arm(&w->waker);
		if (!turn(w))
			sleep_until_work(w);
		ftp_waker_disarm(&w->waker);
	}
	ftp_worker_plan_tear_down(w);
	ftp_tempo_deinit(&w->tempo);
	return NULL;
}

int ftp_worker_start(
	struct ftp_worker **out, const struct ftp_worker_params *params, struct ftp_error *err)
{
	struct ftp_worker *w = calloc(1, sizeof(*w));
	const struct ftp_config_emulate *e;
	int rc;

	ftp_assert(w);
	w->params = *params;
	ftp_spsc_init(&w->commands, N_COMMANDS, sizeof(struct ftp_command));
	ftp_spsc_init(&w->outcomes, params->n_outcomes ? params->n_outcomes : N_OUTCOMES,
		sizeof(struct ftp_outcome));
	ftp_spsc_init(&w->news, N_NEWS, sizeof(struct ftp_replica_news));
	ftp_spsc_init(&w->persisted, N_PERSISTED, sizeof(struct ftp_persisted));
	w->snapshots = ftp_snapshots_new();
	ftp_measures_init(
		&w->measures, params->metrics, params->region, params->config->training.batch);
	ftp_tempo_init(&w->tempo);
	e = &params->config->nodes[params->node].emulate;
	emulate(w, &(struct ftp_emulate){e->slowdown, e->loss, e->bandwidth_bytes, e->delay_ns}, 0);
	ftp_transition_init(
		&w->transition, (uint32_t)params->node, params->config->snapshot.every > 0);
	rc = ftp_worker_snapshots_open(w, err);
	if (!rc)
		rc = ftp_waker_init(&w->waker, err);
	if (!rc)
		rc = ftp_waker_init(&w->control_waker, err);
	if (!rc)
		rc = ftp_builder_start(
			&w->builder, (int)params->config->training.threads, &w->waker, err);
	if (!rc)
		rc = ftp_model_writer_start(&w->writer, &w->waker, err);
	if (!rc && pthread_create(&w->thread, NULL, worker_main, w))
		rc = ftp_error_set(err, EAGAIN, "cannot start the worker thread");
	if (rc) {
		free(w);
		return rc;
	}
	*out = w;
	return 0;
}

void ftp_worker_stop(struct ftp_worker *w)
{
	struct ftp_command c;
	struct ftp_outcome o;

	if (!w)
		return;
	atomic_store(&w->stop, true);
	ftp_waker_wake(&w->waker);
	pthread_join(w->thread, NULL);
	while (ftp_spsc_pop(&w->commands, &c)) {
		free(c.plan);
		free(c.transfer);
		free(c.probe);
	}
	while (ftp_spsc_pop(&w->outcomes, &o))
		ftp_worker_outcome_clear(&o);
	ftp_spsc_deinit(&w->commands);
	ftp_spsc_deinit(&w->outcomes);
	ftp_spsc_deinit(&w->news);
	ftp_spsc_deinit(&w->persisted);
	ftp_measures_deinit(&w->measures);
	ftp_waker_deinit(&w->waker);
	ftp_waker_deinit(&w->control_waker);
	free(w);
}

int ftp_worker_command(struct ftp_worker *w, const struct ftp_command *c)
{
	if (!ftp_spsc_push(&w->commands, c))
		return -EBUSY;
	ftp_waker_wake(&w->waker);
	return 0;
}

int ftp_worker_command_fd(const struct ftp_worker *w)
{
	return w->waker.fd;
}

void ftp_worker_outcome_clear(struct ftp_outcome *o)
{
	free(o->profile);
	free(o->trace);
	free(o->links);
	free(o->held);
	free(o->inventory);
	free(o->text);
}

bool ftp_worker_outcome(struct ftp_worker *w, struct ftp_outcome *o)
{
	return ftp_spsc_pop(&w->outcomes, o);
}

bool ftp_worker_measure(struct ftp_worker *w, struct ftp_measure *m)
{
	return ftp_measures_pop(&w->measures, m);
}

bool ftp_worker_news(struct ftp_worker *w, struct ftp_replica_news *n)
{
	return ftp_spsc_pop(&w->news, n);
}

bool ftp_worker_persisted(struct ftp_worker *w, struct ftp_persisted *m)
{
	return ftp_spsc_pop(&w->persisted, m);
}

struct ftp_waker *ftp_worker_waker(struct ftp_worker *w)
{
	return &w->control_waker;
}
