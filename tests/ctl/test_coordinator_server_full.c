/* The coordinator's disk is full while nodes train: what it has decided, and what would let nodes
 * free their snapshots, waits for room. The test plays both nodes, which go on. */
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "ctl/jsonrpc.h"
#include "ctl/protocol.h"
#include "runtime/base/clock.h"
#include "tests/ctl/server_site.h"
#include "tests/ctl/small_disk.h"

#define BEAT_NS	  (50 * FTP_NS_PER_MS)
#define QUIET_NS  (500 * FTP_NS_PER_MS)
#define STEPS	  100000
#define LAST_TOLD 1000
#define PAGE	  4096 /* of a file that is there: full only when its last one is */

struct node {
	struct ftp_jsonrpc *peer; /* NULL: it is gone */
	struct ftp_plan plan;
	bool is_committed;
	uint64_t step, row, halt_term;
	unsigned n_retains;
	struct ftp_retain retain; /* the last one */
	char stop[768];
};

struct run {
	struct site *site;
	char filler[80];
	uint64_t beat_ns;
	struct node nodes[2]; /* the second one has the last stage */
};

static int on_prepare(void *arg, struct ftp_jsonrpc *peer, uint64_t call, const json_t *params,
	json_t **result, struct ftp_error *err)
{
	struct ftp_prepared m = {.memory_bytes = 1};
	struct node *n = arg;

	(void)peer, (void)call;
	assert_int_equal(ftp_plan_decode(&n->plan, params, err), 0);
	m.term = n->plan.term;
	*result = ftp_prepared_encode(&m);
	return 0;
}

static int on_transfer(void *arg, struct ftp_jsonrpc *peer, uint64_t call, const json_t *params,
	json_t **result, struct ftp_error *err)
{
	const struct ftp_transferred m = {.term = ((struct node *)arg)->plan.term};

	(void)peer, (void)call, (void)params, (void)err;
	*result = ftp_transferred_encode(&m);
	return 0;
}

static int on_commit(void *arg, struct ftp_jsonrpc *peer, uint64_t call, const json_t *params,
	json_t **result, struct ftp_error *err)
{
	(void)peer, (void)call, (void)params, (void)result, (void)err;
	((struct node *)arg)->is_committed = true;
	return 0;
}

static int on_retain(void *arg, struct ftp_jsonrpc *peer, uint64_t call, const json_t *params,
	json_t **result, struct ftp_error *err)
{
	struct node *n = arg;

	(void)peer, (void)call, (void)result;
	n->n_retains++;
	assert_int_equal(ftp_retain_decode(&n->retain, params, err), 0);
	return 0;
}

static int on_halt(void *arg, struct ftp_jsonrpc *peer, uint64_t call, const json_t *params,
	json_t **result, struct ftp_error *err)
{
	static const struct ftp_inventory none;
	struct node *n = arg;
	struct ftp_halt m;

	(void)peer, (void)call;
	assert_int_equal(ftp_halt_decode(&m, params, err), 0);
	n->halt_term = m.term;
	*result = ftp_inventory_encode(&none);
	return 0;
}

static int on_stop(void *arg, struct ftp_jsonrpc *peer, uint64_t call, const json_t *params,
	json_t **result, struct ftp_error *err)
{
	struct ftp_stop m;

	(void)peer, (void)call, (void)result;
	assert_int_equal(ftp_stop_decode(&m, params, err), 0);
	strcpy(((struct node *)arg)->stop, m.reason);
	return 0;
}

static const struct ftp_jsonrpc_method methods[] = {
	{FTP_METHOD_PREPARE, on_prepare},
	{FTP_METHOD_TRANSFER, on_transfer},
	{FTP_METHOD_COMMIT, on_commit},
	{FTP_METHOD_RETAIN, on_retain},
	{FTP_METHOD_HALT, on_halt},
	{FTP_METHOD_STOP, on_stop},
	{NULL, NULL},
};

static void tell_progress(struct run *r, struct node *n, uint64_t now_ns)
{
	struct ftp_progress *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	while (n == &r->nodes[1] && n->row < n->step && m->n_rows < FTP_PROGRESS_MAX_ROWS) {
		m->row_step[m->n_rows] = ++n->row;
		m->row_loss[m->n_rows++] = 0.123456789;
	}
	m->term = n->plan.term;
	m->step = m->samples = n->step;
	m->compute_s = (double)n->step;
	m->now_ns = now_ns;
	ftp_jsonrpc_notify(n->peer, FTP_METHOD_PROGRESS, ftp_progress_encode(m));
	free(m);
}

/* Both are served for a moment, and say that they live. */
static void pump(struct run *r)
{
	struct pollfd fds[2] = {{.fd = -1}, {.fd = -1}};
	uint64_t now_ns = ftp_clock_now_ns();
	bool is_due = now_ns >= r->beat_ns;

	if (is_due)
		r->beat_ns = now_ns + BEAT_NS;
	for (int i = 0; i < 2; i++) {
		struct node *n = &r->nodes[i];

		if (!n->peer)
			continue;
		if (is_due && n->is_committed)
			tell_progress(r, n, now_ns);
		fds[i] = (struct pollfd){
			.fd = ftp_jsonrpc_fd(n->peer), .events = ftp_jsonrpc_poll_events(n->peer)};
	}
	poll(fds, 2, 10);
	for (int i = 0; i < 2; i++)
		if (r->nodes[i].peer &&
			ftp_jsonrpc_turn(r->nodes[i].peer, ftp_clock_now_ns(), NULL)) {
			ftp_jsonrpc_free(r->nodes[i].peer);
			r->nodes[i].peer = NULL;
		}
}

static void pump_until(struct run *r, bool (*condition)(const struct run *))
{
	uint64_t deadline_ns = ftp_clock_now_ns() + WAIT_NS;

	while (!condition(r)) {
		assert_true(ftp_clock_now_ns() < deadline_ns);
		pump(r);
	}
}

static void pump_for(struct run *r, uint64_t for_ns)
{
	uint64_t until_ns = ftp_clock_now_ns() + for_ns;

	while (ftp_clock_now_ns() < until_ns)
		pump(r);
}

static void on_joined(void *arg, int code, const json_t *result, const char *text)
{
	(void)arg, (void)result;
	if (code && code != FTP_JSONRPC_CLOSED)
		fail_msg("not admitted: %s", text);
}

static void join(struct run *r, int i)
{
	struct ftp_join m = {.protocol = FTP_PROTOCOL_VERSION,
		.incarnation = 100 + (uint64_t)i,
		.pid = 1,
		.isa = "avx2",
		.udp_port = {9, 10},
		.config = ftp_config_digest(r->site->config),
		.dataset = {1, 1},
		.n_train = 100};

	snprintf(m.name, sizeof(m.name), "n%d", 1 + i);
	r->nodes[i].peer = ftp_jsonrpc_new(site_connect(r->site->address), methods, &r->nodes[i]);
	ftp_jsonrpc_call(r->nodes[i].peer, FTP_METHOD_JOIN, ftp_join_encode(&m),
		ftp_clock_now_ns() + WAIT_NS, on_joined, NULL);
}

static bool are_training(const struct run *r)
{
	return r->nodes[0].n_retains && r->nodes[1].n_retains;
}

static void step_to(struct run *r, uint64_t step)
{
	r->nodes[0].step = r->nodes[1].step = step;
	pump_for(r, 3 * BEAT_NS);
}

static void begin(struct run *r, uint64_t patience_ns)
{
	*r = (struct run){.site = site_new()};
	r->site->patience_ns = patience_ns;
	small_disk_mount(r->site->root, 128);
	r->site->is_small = true;
	site_make(r->site, "2", STEPS);
	site_start(r->site);
	snprintf(r->filler, sizeof(r->filler), "%s/filler", r->site->root);
	for (int i = 0; i < 2; i++)
		join(r, i);
	pump_until(r, are_training);
	step_to(r, 5);
}

static void end(struct run *r)
{
	void *site = r->site;

	for (int i = 0; i < 2; i++)
		ftp_jsonrpc_free(r->nodes[i].peer);
	assert_int_equal(site_tear_down(&site), 0);
}

static void lose_n2(struct run *r)
{
	ftp_jsonrpc_free(r->nodes[1].peer);
	r->nodes[1].peer = NULL;
}

static bool n1_has_halted(const struct run *r)
{
	return r->nodes[0].halt_term;
}

static bool n1_is_stopped(const struct run *r)
{
	return r->nodes[0].stop[0];
}

/* The term of a recovery is in the journal before anybody hears of it; who heard nothing meanwhile
 * was not silent. */
static void halt__waits_for_room(void **state)
{
	struct run r;

	(void)state;
	begin(&r, 0);
	small_disk_fill(r.filler);
	lose_n2(&r);
	pump_for(&r, 3 * QUIET_NS);
	assert_false(n1_has_halted(&r));
	json_decref(site_status(r.site));
	unlink(r.filler);
	pump_until(&r, n1_has_halted);
	assert_int_equal(r.nodes[0].halt_term, r.nodes[0].plan.term + 1);
	pump_for(&r, QUIET_NS);
	assert_non_null(r.nodes[0].peer);
	assert_false(n1_is_stopped(&r));
	end(&r);
}

/* The run ends, and nobody has heard of what was never durable. */
static void halt__waits_for_too_long(void **state)
{
	struct run r;

	(void)state;
	begin(&r, 300 * FTP_NS_PER_MS);
	small_disk_fill(r.filler);
	lose_n2(&r);
	pump_until(&r, n1_is_stopped);
	assert_false(n1_has_halted(&r));
	assert_non_null(strstr(r.nodes[0].stop, "No space left on device"));
	assert_non_null(strstr(r.nodes[0].stop, "start --resume"));
	end(&r);
}

static long long n_skipped(const struct run *r)
{
	json_t *status = site_status(r->site);
	long long n =
		json_integer_value(json_object_get(json_object_get(status, "snapshot"), "skipped"));

	json_decref(status);
	return n;
}

/* Both say of every step that may have been named that they heard of it too late: so the next one
 * is named, once at least. */
static void spoil_once(struct run *r)
{
	for (uint64_t step = 10; step < LAST_TOLD; step += 10) {
		for (int i = 0; i < 2; i++) {
			const struct ftp_stored m = {
				.term = r->nodes[i].plan.term, .step = step, .at = step};

			ftp_jsonrpc_notify(
				r->nodes[i].peer, FTP_METHOD_STORED, ftp_stored_encode(&m));
		}
		pump(r);
	}
}

static bool have_retains(const struct run *r)
{
	return r->nodes[0].n_retains > 1 && r->nodes[1].n_retains > 1;
}

/* Losses wait for room, so nobody may free what a recovery to before them needs; of what is held
 * meanwhile only the newest counts. */
static void retain__the_newest_of_those_held(void **state)
{
	struct run r;

	(void)state;
	begin(&r, 0);
	assert_int_equal(r.nodes[0].n_retains, 1);
	small_disk_fill(r.filler);
	step_to(&r, PAGE / 10);
	for (int i = 0; i < 5; i++) {
		long long before = n_skipped(&r);

		spoil_once(&r);
		for (int n = 0; n_skipped(&r) == before; n++) {
			assert_true(n < 1000);
			pump(&r);
		}
	}
	pump_for(&r, QUIET_NS);
	assert_int_equal(r.nodes[0].n_retains, 1);
	assert_int_equal(r.nodes[1].n_retains, 1);
	unlink(r.filler);
	pump_until(&r, have_retains);
	pump_for(&r, QUIET_NS);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(r.nodes[i].n_retains, 2);
		assert_true(r.nodes[i].retain.next > PAGE / 10);
	}
	end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(halt__waits_for_room),
		cmocka_unit_test(halt__waits_for_too_long),
		cmocka_unit_test(retain__the_newest_of_those_held),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
