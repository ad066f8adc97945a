/* A node without the training: speaks the real protocol over the real connection, and misbehaves on
 * demand. FAKE_NODE="n2=MODE" makes node n2
 *   die       end with code 7 and a last word before it joins
 *   stubborn  ignore node.stop, SIGTERM and the loss of the coordinator
 * The last stage loses 1 / step in step `step`; a step takes a millisecond. */
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/jsonrpc.h"
#include "ctl/protocol.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"

struct fake {
	const char *name, *mode;
	struct ftp_jsonrpc *peer;
	struct ftp_plan plan;
	uint32_t stage;
	uint64_t begin_ns, step, run, row;
	bool committed, joined, finished, stop;
	const struct ftp_config *config;
	const char *coordinator;
};

static int on_profile(void *arg, struct ftp_jsonrpc *peer, uint64_t call, const json_t *params,
	json_t **result, struct ftp_error *err)
{
	struct ftp_profile m = {.n_units = 5};

	(void)arg, (void)peer, (void)call, (void)params, (void)err;
	for (uint32_t i = 0; i < m.n_units; i++)
		m.forward_ns[i] = 1000;
	*result = ftp_profile_encode(&m);
	return 0;
}

static int on_prepare(void *arg, struct ftp_jsonrpc *peer, uint64_t call, const json_t *params,
	json_t **result, struct ftp_error *err)
{
	struct fake *f = arg;
	struct ftp_prepared m = {.memory_bytes = 1};

	(void)peer, (void)call;
	if (ftp_plan_decode(&f->plan, params, err))
		return FTP_JSONRPC_PARAMS;
	while (strcmp(f->plan.stages[f->stage].name, f->name))
		f->stage++;
	m.term = f->plan.term;
	*result = ftp_prepared_encode(&m);
	return 0;
}

static int on_transfer(void *arg, struct ftp_jsonrpc *peer, uint64_t call, const json_t *params,
	json_t **result, struct ftp_error *err)
{
	struct ftp_transferred m = {0};
	struct ftp_transfer t;

	(void)arg, (void)peer, (void)call;
	if (ftp_transfer_decode(&t, params, err))
		return FTP_JSONRPC_PARAMS;
	m.term = t.term;
	*result = ftp_transferred_encode(&m);
	return 0;
}

static int on_commit(void *arg, struct ftp_jsonrpc *peer, uint64_t call, const json_t *params,
	json_t **result, struct ftp_error *err)
{
	struct fake *f = arg;

	(void)peer, (void)call, (void)params, (void)result, (void)err;
	if (f->committed)
		return 0;
	f->committed = true;
	f->begin_ns = ftp_clock_now_ns();
	return 0;
}

static int on_stop(void *arg, struct ftp_jsonrpc *peer, uint64_t call, const json_t *params,
	json_t **result, struct ftp_error *err)
{
	struct fake *f = arg;

	(void)peer, (void)call, (void)params, (void)result, (void)err;
	if (!strcmp(f->mode, "stubborn"))
		return 1;
	f->stop = true;
	return 0;
}

static int on_inventory(void *arg, struct ftp_jsonrpc *peer, uint64_t call, const json_t *params,
	json_t **result, struct ftp_error *err)
{
	static const struct ftp_inventory none;

	(void)arg, (void)peer, (void)call, (void)params, (void)err;
	*result = ftp_inventory_encode(&none);
	return 0;
}

static const struct ftp_jsonrpc_method methods[] = {
	{FTP_METHOD_PROFILE, on_profile},
	{FTP_METHOD_PREPARE, on_prepare},
	{FTP_METHOD_TRANSFER, on_transfer},
	{FTP_METHOD_COMMIT, on_commit},
	{FTP_METHOD_INVENTORY, on_inventory},
	{FTP_METHOD_STOP, on_stop},
	{NULL, NULL},
};

static void finish(struct fake *f, bool last)
{
	struct ftp_evaluated e = {
		.term = f->plan.term, .step = f->step, .n_correct = 3, .n_samples = 4, .loss = 1};
	struct ftp_finished m = {.term = f->plan.term, .step = f->step, .train_s = 1};

	if (last)
		ftp_jsonrpc_notify(f->peer, FTP_METHOD_EVALUATED, ftp_evaluated_encode(&e));
	if (!f->stage)
		strcpy(m.params_digest, "00000000000000000000000000000abc");
	ftp_jsonrpc_notify(f->peer, FTP_METHOD_FINISHED, ftp_finished_encode(&m));
	f->finished = true;
}

static void train(struct fake *f, uint64_t now_ns)
{
	bool last = f->stage + 1 == f->plan.n_stages;
	struct ftp_progress *m = calloc(1, sizeof(*m));
	uint64_t step = (now_ns - f->begin_ns) / FTP_NS_PER_MS;

	if (step > f->plan.last_step)
		step = f->plan.last_step;
	f->step = step;
	while (last && f->row < step && m->n_rows < FTP_PROGRESS_MAX_ROWS) {
		m->row_step[m->n_rows] = ++f->row;
		m->row_loss[m->n_rows++] = 1.0 / (double)f->row;
	}
	m->term = f->plan.term;
	m->step = m->samples = f->step;
	m->compute_s = (double)f->step;
	ftp_jsonrpc_notify(f->peer, FTP_METHOD_PROGRESS, ftp_progress_encode(m));
	free(m);
	if (f->step == f->plan.last_step && (!last || f->row == f->step))
		finish(f, last);
}

static void on_joined(void *arg, int code, const json_t *result, const char *text)
{
	struct fake *f = arg;

	if (code == FTP_JSONRPC_CLOSED)
		return;
	f->stop |= code != 0;
	f->joined = !code;
	f->finished = false; /* or it was not heard */
	if (code)
		ftp_log_error("not admitted: %s", text);
	f->run = 0x1234;
	f->row = (uint64_t)json_integer_value(json_object_get(result, "row"));
}

static void join(struct fake *f)
{
	const struct ftp_config *c = f->config;
	struct ftp_join m = {.protocol = FTP_PROTOCOL_VERSION,
		.incarnation = (uint64_t)getpid(),
		.pid = getpid(),
		.version = FTP_VERSION,
		.cpu = "fake",
		.isa = "avx2",
		.n_cores = 1,
		.udp_port = {9, 10},
		.config = ftp_config_digest(c),
		.run = f->run,
		.step = f->step};

	snprintf(m.name, sizeof(m.name), "%.32s", f->name);
	m.term = m.newest_term = f->committed ? f->plan.term : 0;
	m.first_row = f->committed && f->stage + 1 == f->plan.n_stages;
	if (!ftp_config_find_node(c, f->name)) {
		m.dataset.high = 1;
		m.n_train = m.n_test = 60000;
	}
	ftp_jsonrpc_call(f->peer, FTP_METHOD_JOIN, ftp_join_encode(&m),
		ftp_clock_now_ns() + 10 * FTP_NS_PER_S, on_joined, f);
}

/* For the coordinator to come back a few seconds must do. */
static bool connect_again(struct fake *f)
{
	uint64_t until_ns = ftp_clock_now_ns() + 5 * FTP_NS_PER_S;
	int fd = -1;

	if (f->stop)
		return true;
	f->joined = false;
	ftp_jsonrpc_free(f->peer);
	f->peer = NULL;
	while (fd < 0 && ftp_clock_now_ns() < until_ns) {
		ftp_clock_sleep_ns(20 * FTP_NS_PER_MS);
		fd = ftp_jsonrpc_connect(f->coordinator, until_ns, NULL);
	}
	if (fd < 0)
		return false;
	f->peer = ftp_jsonrpc_new(fd, methods, f);
	join(f);
	return true;
}

static int live(struct fake *f)
{
	while (!f->stop) {
		struct pollfd pfd = {ftp_jsonrpc_fd(f->peer), ftp_jsonrpc_poll_events(f->peer), 0};
		uint64_t now_ns;

		poll(&pfd, 1, 20);
		now_ns = ftp_clock_now_ns();
		if (ftp_jsonrpc_turn(f->peer, now_ns, NULL) && !connect_again(f))
			break;
		if (f->committed && f->joined && !f->finished)
			train(f, now_ns);
	}
	while (!strcmp(f->mode, "stubborn"))
		pause();
	ftp_jsonrpc_free(f->peer);
	return f->stop ? 0 : 1;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"config", 1, NULL, 0}, {"node", 1, NULL, 1},
		{"coordinator", 1, NULL, 2}, {"run-dir", 1, NULL, 3}, {"cores", 1, NULL, 4},
		{NULL, 0, NULL, 0}};
	const char *values[5] = {NULL}, *fake = getenv("FAKE_NODE");
	struct fake f = {.mode = ""};
	struct ftp_config *c;
	struct ftp_error err;
	int o, rc;

	while ((o = getopt_long(argc, argv, "", options, NULL)) >= 0 && o < 5)
		values[o] = optarg;
	f.name = values[1];
	ftp_log_init(f.name, FTP_LOG_INFO, FTP_LOG_TEXT);
	if (fake && !strncmp(fake, f.name, strlen(f.name)) && fake[strlen(f.name)] == '=')
		f.mode = fake + strlen(f.name) + 1;
	if (!strcmp(f.mode, "die")) {
		ftp_log_error("the data are not there");
		return 7;
	}
	if (!strcmp(f.mode, "stubborn"))
		signal(SIGTERM, SIG_IGN);
	rc = ftp_config_load(&c, values[0], NULL, 0, &err);
	if (!rc)
		rc = ftp_jsonrpc_connect(values[2], ftp_clock_now_ns() + FTP_NS_PER_S, &err);
	if (rc < 0) {
		ftp_log_error("%s", err.text);
		return 1;
	}
	f.peer = ftp_jsonrpc_new(rc, methods, &f);
	f.config = c;
	f.coordinator = values[2];
	join(&f);
	rc = live(&f);
	ftp_config_free(c);
	return rc;
}
