#include "runtime/worker.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "kernels/isa.h"
#include "kernels/team.h"
#include "runtime/assembly.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/spsc.h"
#include "runtime/base/waker.h"
#include "runtime/gather.h"
#include "runtime/measures.h"
#include "runtime/mesh.h"
#include "runtime/poller.h"
#include "runtime/profile.h"
#include "runtime/recipe.h"
#include "runtime/safetensors.h"
#include "runtime/tempo.h"

#define N_COMMANDS	    4
#define N_OUTCOMES	    4096
#define CONNECT_DEADLINE_NS (15 * FTP_NS_PER_S)
#define MAX_NET_TURNS	    16 /* before the next primitive, while packets keep coming */
#define TIMER_SLACK_NS	    5000
#define IDLE_SLEEP_NS	    (100 * FTP_NS_PER_MS)

enum worker_state { IDLE, CONNECTING, PREPARED, TRAINING, GATHERING, FINISHED, FAILED };

struct ftp_worker {
	struct ftp_worker_params params;
	pthread_t thread;
	_Atomic bool stop;
	struct ftp_spsc commands, outcomes;
	struct ftp_waker waker;		/* ends the worker's sleep */
	struct ftp_waker control_waker; /* ends the control thread's */

	enum worker_state state;
	struct ftp_plan *plan;
	struct ftp_assembly a; /* of the plan; all NULL before */
	struct ftp_gather *gather;
	int n_unheard; /* peers not yet established */
	uint64_t connect_deadline_ns;
	uint64_t train_start_ns, train_end_ns;

	struct ftp_tempo tempo;
	uint64_t timed_step;	  /* measured up to here */
	struct ftp_impair impair; /* that new links start with */
	struct ftp_poller poller;
	struct ftp_measures measures;
};

static void report(struct ftp_worker *w, const struct ftp_outcome *o)
{
	ftp_assert(ftp_spsc_push(&w->outcomes, o)); /* rows are held back while it is full */
	ftp_waker_wake(&w->control_waker);
}

static void fail(struct ftp_worker *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void fail(struct ftp_worker *w, const char *fmt, ...)
{
	struct ftp_outcome o = {.kind = FTP_OUTCOME_FAILED};
	va_list ap;

	if (w->state == FAILED)
		return;
	w->state = FAILED;
	va_start(ap, fmt);
	if (vasprintf(&o.text, fmt, ap) < 0)
		o.text = NULL;
	va_end(ap);
	report(w, &o);
}

static int use_isa(const char *name, struct ftp_error *err)
{
	for (enum ftp_isa isa = FTP_ISA_SSE41; isa <= FTP_ISA_AVX512; isa++)
		if (!strcmp(name, ftp_isa_name(isa)))
			return ftp_isa_cap(isa, err);
	return ftp_error_set(err, EINVAL, "unknown instruction set '%s'", name);
}

static void profile(struct ftp_worker *w, const char *isa)
{
	struct ftp_outcome o = {.kind = FTP_OUTCOME_PROFILED};
	const struct ftp_profile_spec spec = {
		.stage = ftp_recipe_stage(w->params.config, w->params.model, w->params.region),
		.slowdown = w->tempo.throttle.slowdown,
		.stop = &w->stop};
	struct ftp_error err;

	o.profile = calloc(1, sizeof(*o.profile));
	ftp_assert(o.profile);
	if (use_isa(isa, &err) || ftp_profile_measure(o.profile, &spec, &err)) {
		free(o.profile);
		fail(w, "%s", err.text);
		return;
	}
	report(w, &o);
}

static void prepare(struct ftp_worker *w, struct ftp_plan *plan)
{
	const struct ftp_assembly_spec spec = {.config = w->params.config,
		.model = w->params.model,
		.dataset = w->params.dataset,
		.region = w->params.region,
		.plan = plan,
		.node = w->params.node,
		.net_core = w->params.net_core,
		.waker = &w->waker,
		.impair = w->impair,
		.is_drill = w->params.is_drill};
	uint64_t now_ns = ftp_clock_now_ns();
	struct ftp_error err;

	free(w->plan);
	w->plan = plan;
	if (use_isa(plan->isa, &err) || ftp_assembly_build(&w->a, &spec, now_ns, &err)) {
		fail(w, "%s", err.text);
		return;
	}
	ftp_log_debug("kernels:\n%s", ftp_stage_implementations(w->a.stage));
	ftp_measures_begin(&w->measures, plan, w->a.index);
	for (int i = 0; i < (int)plan->n_stages; i++)
		w->n_unheard += ftp_mesh_connects(w->a.index, i);
	w->connect_deadline_ns = now_ns + CONNECT_DEADLINE_NS;
	w->state = CONNECTING;
}

static void emulate(struct ftp_worker *w, const struct ftp_emulate *e, uint64_t now_ns)
{
	w->impair = (struct ftp_impair){.loss = e->loss,
		.delay_ns = e->delay_ns,
		.bandwidth_bytes_per_s = e->bandwidth_bytes};
	ftp_tempo_slow(&w->tempo, e->slowdown, now_ns);
	if (w->a.net)
		ftp_netloop_impair(w->a.net, &w->impair);
}

static bool take_commands(struct ftp_worker *w, uint64_t now_ns)
{
	struct ftp_command c;

	if (!ftp_spsc_pop(&w->commands, &c))
		return false;
	switch (c.kind) {
	case FTP_COMMAND_PROFILE:
		profile(w, c.isa);
		break;
	case FTP_COMMAND_PREPARE:
		if (w->state == IDLE) {
			prepare(w, c.plan);
			break;
		}
		free(c.plan);
		fail(w, "a second plan came while the first one runs");
		break;
	case FTP_COMMAND_COMMIT:
		if (w->state != PREPARED) {
			fail(w, "told to train before the plan was prepared");
			break;
		}
		w->state = TRAINING;
		w->train_start_ns = now_ns;
		w->timed_step = ftp_pipeline_step(w->a.pipeline);
		ftp_tempo_restart(&w->tempo, w->plan->term, w->timed_step + 1);
		break;
	case FTP_COMMAND_EMULATE:
		emulate(w, &c.emulate, now_ns);
		break;
	}
	return true;
}

static const char *reason_text(enum ftp_connection_reason reason)
{
	static const char *const texts[] = {
		[FTP_CONNECTION_IDLE_TIMEOUT] = "it has been silent for 10 s",
		[FTP_CONNECTION_PEER_CLOSED] = "it closed the connection",
		[FTP_CONNECTION_PORT_DOWN] = "its end of the port went away",
		[FTP_CONNECTION_PROTOCOL] = "it sent something that contradicts the plan",
	};

	return texts[reason];
}

static void lose_peer(struct ftp_worker *w, const struct ftp_netloop_event *e)
{
	char waiting[128];

	if (w->state == FINISHED)
		return;
	ftp_pipeline_describe(w->a.pipeline, waiting, sizeof(waiting));
	fail(w, "lost %s: %s; this stage was waiting for %s", w->plan->stages[e->peer].name,
		reason_text(e->event.reason), waiting);
}

static bool take_events(struct ftp_worker *w)
{
	struct ftp_netloop_event e;
	bool worked = false;

	while (ftp_netloop_next_event(w->a.net, &e)) {
		worked = true;
		if (e.event.kind == FTP_CONNECTION_LOST)
			lose_peer(w, &e);
		else if (e.event.kind == FTP_CONNECTION_ESTABLISHED)
			w->n_unheard--;
		else if (!ftp_pipeline_event(w->a.pipeline, &e))
			ftp_assert(w->gather && ftp_gather_event(w->gather, &e));
	}
	return worked;
}

static void await_peers(struct ftp_worker *w, uint64_t now_ns)
{
	struct ftp_outcome o = {.kind = FTP_OUTCOME_PREPARED};
	struct ftp_stage_memory m;

	if (w->n_unheard) {
		if (now_ns >= w->connect_deadline_ns)
			fail(w, "%d of this stage's peers did not answer within %llu s",
				w->n_unheard, CONNECT_DEADLINE_NS / FTP_NS_PER_S);
		return;
	}
	m = ftp_stage_memory(w->a.stage);
	o.memory_bytes = m.params + m.gradients + m.moments + m.activations + m.scratch;
	w->state = PREPARED;
	report(w, &o);
}

/* Rows go to the control thread while its ring has room; else training waits for it. */
static bool take_report(struct ftp_worker *w)
{
	const struct ftp_pipeline_report r = ftp_pipeline_report(w->a.pipeline);
	const struct ftp_outcome o = {
		.kind = r.kind == FTP_REPORT_STEP ? FTP_OUTCOME_STEP : FTP_OUTCOME_EVALUATED,
		.step = r.step,
		.loss = r.loss,
		.n_correct = r.n_correct,
		.n_samples = r.n_samples};

	if (r.kind == FTP_REPORT_NONE || !ftp_spsc_push(&w->outcomes, &o))
		return false;
	ftp_waker_wake(&w->control_waker);
	if (r.kind == FTP_REPORT_STEP)
		ftp_metric_set(w->params.metrics->loss, r.loss);
	ftp_pipeline_take_report(w->a.pipeline);
	return true;
}

static void measure_step(struct ftp_worker *w, uint64_t step)
{
	struct ftp_outcome o = {.kind = FTP_OUTCOME_TRACED};

	ftp_measures_add_step(
		&w->measures, w->plan->term, step, ftp_tempo_take_step(&w->tempo, step));
	w->timed_step = step;
	o.trace = ftp_spans_take(&w->tempo.spans, step == w->plan->last_step);
	if (o.trace)
		report(w, &o);
}

static void start_gathering(struct ftp_worker *w, uint64_t now_ns)
{
	struct ftp_error err;

	if (ftp_gather_new(&w->gather, w->params.model, w->a.stage, w->plan, w->a.index, w->a.net,
		    now_ns, &err))
		fail(w, "%s", err.text);
	else
		w->state = GATHERING;
}

/* One turn of training: at most one kernel task's primitive between two looks at the network. */
static bool train(struct ftp_worker *w, uint64_t now_ns)
{
	bool worked = ftp_pipeline_serve(w->a.pipeline, now_ns);
	uint64_t start_ns = ftp_clock_now_ns(), end_ns;
	enum ftp_tempo_turn turn = ftp_tempo_turn(&w->tempo, w->a.pipeline, start_ns);

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
	if (ftp_pipeline_step(w->a.pipeline) != w->timed_step)
		measure_step(w, ftp_pipeline_step(w->a.pipeline));
	worked |= take_report(w);
	if (!w->train_end_ns && ftp_pipeline_step(w->a.pipeline) == w->plan->last_step)
		w->train_end_ns = end_ns;
	if (ftp_pipeline_has_ended(w->a.pipeline))
		start_gathering(w, end_ns);
	return turn == FTP_TEMPO_COMPUTED || worked;
}

static int write_model(struct ftp_worker *w, const char *digest, struct ftp_error *err)
{
	const struct ftp_safetensors_info info = {.input_mean = w->params.dataset->mean,
		.input_std = w->params.dataset->std,
		.params_digest = digest};
	char path[4096];

	snprintf(path, sizeof(path), "%s/model.safetensors", w->params.run_dir);
	return ftp_safetensors_write(
		path, w->params.model, ftp_gather_states(w->gather), &info, err);
}

static void finish_gathering(struct ftp_worker *w)
{
	struct ftp_outcome o = {.kind = FTP_OUTCOME_FINISHED,
		.step = w->plan->last_step,
		.train_s = (double)(w->train_end_ns - w->train_start_ns) * 1e-9};
	char digest[FTP_DIGEST_HEX];
	struct ftp_error err;

	if (!ftp_gather_is_done(w->gather))
		return;
	if (w->a.index == 0) {
		ftp_gather_digest(w->gather, digest);
		if (write_model(w, digest, &err)) {
			fail(w, "%s", err.text);
			return;
		}
		o.text = strdup(digest);
	}
	w->state = FINISHED;
	report(w, &o);
}

/* When the throttled task goes on; 0: none is. */
static uint64_t resume_ns(const struct ftp_worker *w)
{
	return w->state == TRAINING ? ftp_tempo_resume_ns(&w->tempo) : 0;
}

static void sleep_until_work(struct ftp_worker *w)
{
	struct pollfd fd = {.fd = w->waker.fd, .events = POLLIN};
	uint64_t start_ns = ftp_clock_now_ns(), slept_ns;
	uint64_t until_ns = resume_ns(w);

	if (w->a.net)
		ftp_netloop_sleep(w->a.net, &fd, 1, start_ns, until_ns);
	else
		ftp_poller_sleep(&fd, 1, IDLE_SLEEP_NS);
	slept_ns = ftp_clock_now_ns() - start_ns;
	if (until_ns) {
		w->measures.compute_ns += slept_ns;
	} else if (w->state == TRAINING) {
		w->measures.wait_ns += slept_ns;
		w->measures.bubble_ns += slept_ns;
	}
}

/* rx burst, connections, schedule, at most one primitive, tx burst. */
static bool turn(struct ftp_worker *w)
{
	uint64_t now_ns = ftp_clock_now_ns();
	bool worked = take_commands(w, now_ns);

	for (int i = 0; w->a.net && i < MAX_NET_TURNS; i++) {
		bool moved = ftp_netloop_turn(w->a.net, now_ns) > 0;

		moved |= take_events(w);
		worked |= moved;
		if (!moved)
			break; /* this last turn, which found nothing, has sent the owed ACKs */
	}
	if (w->state == CONNECTING)
		await_peers(w, now_ns);
	else if (w->state == TRAINING)
		worked |= train(w, now_ns);
	else if (w->state == GATHERING)
		finish_gathering(w);
	if (w->a.pipeline)
		ftp_measures_publish(&w->measures, &w->a, w->plan, now_ns);
	return worked;
}

static void tear_down(struct ftp_worker *w)
{
	ftp_assembly_tear_down(&w->a, ftp_clock_now_ns());
	ftp_gather_free(w->gather);
	ftp_tempo_deinit(&w->tempo);
	free(w->plan);
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
	tear_down(w);
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
	ftp_spsc_init(&w->outcomes, N_OUTCOMES, sizeof(struct ftp_outcome));
	ftp_measures_init(
		&w->measures, params->metrics, params->region, params->config->training.batch);
	ftp_tempo_init(&w->tempo);
	e = &params->config->nodes[params->node].emulate;
	emulate(w, &(struct ftp_emulate){e->slowdown, e->loss, e->bandwidth_bytes, e->delay_ns}, 0);
	rc = ftp_waker_init(&w->waker, err);
	if (!rc)
		rc = ftp_waker_init(&w->control_waker, err);
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
	while (ftp_spsc_pop(&w->commands, &c))
		free(c.plan);
	while (ftp_spsc_pop(&w->outcomes, &o)) {
		free(o.profile);
		free(o.trace);
		free(o.text);
	}
	ftp_spsc_deinit(&w->commands);
	ftp_spsc_deinit(&w->outcomes);
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

bool ftp_worker_outcome(struct ftp_worker *w, struct ftp_outcome *o)
{
	return ftp_spsc_pop(&w->outcomes, o);
}

bool ftp_worker_measure(struct ftp_worker *w, struct ftp_measure *m)
{
	return ftp_measures_pop(&w->measures, m);
}

struct ftp_waker *ftp_worker_waker(struct ftp_worker *w)
{
	return &w->control_waker;
}
