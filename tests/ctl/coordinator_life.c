#include "tests/ctl/coordinator_life.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/jsonrpc.h"
#include "tests/ctl/life_state.h"

void life_step(struct life *l, const struct ftp_event *e, bool call)
{
	uint32_t n_replies = 0;

	ftp_coordinator_step(l->core, e, l->now_ns, &l->actions);
	for (uint32_t i = 0; i < l->actions.n; i++) {
		if (l->actions.items[i].kind == FTP_ACTION_REPLY) {
			n_replies++;
			l->refused = l->actions.items[i].code;
			l->told_row = (uint64_t)json_integer_value(
				json_object_get(l->actions.items[i].body, "row"));
		}
		life_take_journal(l, &l->actions.items[i]);
		life_print(l->trace, &l->actions.items[i], call);
		if (l->actions.items[i].kind == FTP_ACTION_CALL)
			life_check_call(l, &l->actions.items[i]);
		if (l->actions.items[i].kind == FTP_ACTION_CALL)
			life_note_call(l, &l->actions.items[i]);
	}
	ftp_assert(n_replies == (e->kind == FTP_EVENT_REQUEST));
	life_check_silence(l);
	ftp_actions_clear(&l->actions);
}

void life_request(struct life *l, unsigned conn, const char *method, json_t *body, bool call)
{
	const struct ftp_event e = {
		.kind = FTP_EVENT_REQUEST, .conn = conn, .method = method, .body = body};

	life_step(l, &e, call);
	json_decref(body);
}

void life_answer(struct life *l, unsigned conn, const char *method, json_t *body, uint64_t term)
{
	const struct ftp_event e = {.kind = FTP_EVENT_ANSWER,
		.conn = conn,
		.method = method,
		.body = body,
		.term = term};

	life_step(l, &e, false);
	json_decref(body);
}

/* To the oldest call of the method. */
static void answer(struct life *l, unsigned conn, const char *method, json_t *body)
{
	life_answer(l, conn, method, body, life_take_call(l, conn, method));
}

void life_add_node(struct life *l)
{
	unsigned i = l->config.n_nodes++;

	snprintf(l->names[i], sizeof(l->names[i]), "n%u", i + 1);
	l->nodes[i].name = l->names[i];
	l->nodes[i].host = "127.0.0.1";
	l->nodes[i].memory_bytes = 1 << 30;
	l->nodes[i].emulate.slowdown = 1;
	l->slow[i] = 1;
	memset(l->stored[i], 0, sizeof(l->stored[i]));
}

static void on_life(struct life *l, const char *args)
{
	struct ftp_coordinator_settings core = {.config = &l->config,
		.config_digest = {1, 2},
		.run = 1,
		.id = "run",
		.n_units = LIFE_UNITS,
		.units = l->units};
	char option[8] = "";

	unsigned n_nodes;

	ftp_assert(sscanf(args, "%u %15s %15s %" SCNu64 " %7s", &n_nodes, l->cuts, l->isa,
			   &l->config.training.steps, option) >= 4);
	core.drill = !strcmp(option, "drill");
	if (!strcmp(option, "1f1b"))
		l->config.training.schedule = FTP_SCHEDULE_1F1B;
	for (unsigned i = 0; i < LIFE_UNITS; i++)
		l->units[i] = (struct ftp_coordinator_unit){1 << 20, 1000000, 1000};
	while (l->config.n_nodes < n_nodes)
		life_add_node(l);
	l->config.nodes = l->nodes;
	l->config.cluster.name = "test";
	l->config.training.model = "lenet5";
	l->config.training.cuts = l->cuts;
	l->config.training.isa = l->isa;
	l->config.training.batch = 8;
	l->config.training.micro_batches = l->config.training.schedule == FTP_SCHEDULE_1F1B ? 1 : 2;
	l->config.training.epochs = !l->config.training.steps;
	l->config.training.repartition.min_gain = 0.05;
	l->config.training.repartition.horizon = 200;
	l->settings = core;
	l->now_ns = LIFE_BEGIN_NS;
	l->core = ftp_coordinator_new(&core, l->now_ns);
}

static void on_join(struct life *l, const char *args)
{
	struct ftp_join m = {.protocol = FTP_PROTOCOL_VERSION,
		.incarnation = 7,
		.version = "0.1.0",
		.cpu = "test",
		.n_cores = 2,
		.udp_port = {9, 10},
		.config = {1, 2}};
	char broken[16] = "";
	unsigned conn;

	ftp_assert(sscanf(args, "%u %32s %15s", &conn, m.name, broken) >= 2);
	m.pid = 100 + conn;
	snprintf(m.isa, sizeof(m.isa), "%s",
		!strcmp(broken, "isa") ? "mmx"
		: conn == 2	       ? "avx2"
				       : "avx512");
	m.protocol += !strcmp(broken, "protocol");
	m.config.low += !strcmp(broken, "config");
	if (!strcmp(broken, "data"))
		strcpy(m.no_data, "training.dataset.path: /nowhere is empty");
	else if (!strcmp(m.name, "n1") || l->all_data) {
		m.dataset.high = strcmp(broken, "other") ? 1 : 2;
		m.n_train = strcmp(broken, "small") ? 35 : 7;
		m.n_test = 9;
	}
	life_request(l, conn, FTP_METHOD_JOIN, ftp_join_encode(&m), true);
	for (unsigned i = 0; i < l->config.n_nodes && !l->refused; i++)
		if (!strcmp(m.name, l->names[i])) {
			l->conn[i] = conn;
			memset(l->stored[i], 0, sizeof(l->stored[i]));
		}
}

static void on_profile(struct life *l, const char *args)
{
	struct ftp_profile m = {0};
	unsigned conn;

	ftp_assert(sscanf(args, "%u %u", &conn, &m.n_units) == 2);
	for (uint32_t i = 0; i < m.n_units; i++)
		m.forward_ns[i] = m.backward_ns[i] = 1000 * (i + 1);
	answer(l, conn, FTP_METHOD_PROFILE, ftp_profile_encode(&m));
}

static void on_prepared(struct life *l, const char *args)
{
	struct ftp_prepared m = {.memory_bytes = 1 << 20};
	unsigned conn;

	ftp_assert(sscanf(args, "%u %" SCNu64, &conn, &m.term) == 2);
	answer(l, conn, FTP_METHOD_PREPARE, ftp_prepared_encode(&m));
}

static void on_transferred(struct life *l, const char *args)
{
	struct ftp_transferred m = {0};
	unsigned conn;

	ftp_assert(sscanf(args, "%u %" SCNu64, &conn, &m.term) == 2);
	answer(l, conn, FTP_METHOD_TRANSFER, ftp_transferred_encode(&m));
}

static void on_committed(struct life *l, const char *args)
{
	answer(l, (unsigned)atoi(args), FTP_METHOD_COMMIT, json_object());
}

static void on_stopped(struct life *l, const char *args)
{
	answer(l, (unsigned)atoi(args), FTP_METHOD_STOP, json_object());
}

static void on_error(struct life *l, const char *args)
{
	struct ftp_event e = {.kind = FTP_EVENT_ANSWER};
	char method[32], text[64];

	ftp_assert(sscanf(args, "%u %31s %d %63[^\n]", &e.conn, method, &e.code, text) == 4);
	e.method = method;
	e.text = text;
	e.term = life_take_call(l, e.conn, method);
	life_step(l, &e, false);
}

static void on_progress(struct life *l, const char *args)
{
	struct ftp_progress *m = calloc(1, sizeof(*m));
	unsigned conn, first, last;

	ftp_assert(sscanf(args, "%u %" SCNu64 " %" SCNu64 " %u %u", &conn, &m->term, &m->step,
			   &first, &last) == 5);
	m->samples = 8 * m->step;
	m->compute_s = (double)m->step;
	for (uint64_t s = first; s && s <= last; s++) {
		m->row_step[m->n_rows] = s;
		m->row_loss[m->n_rows++] = 3.0 / (double)s;
	}
	life_request(l, conn, FTP_METHOD_PROGRESS, ftp_progress_encode(m), false);
	free(m);
}

/* Seconds in which the first n nodes are heard, but do no step. */
static void on_stall(struct life *l, const char *args)
{
	unsigned seconds, n, term, step;
	char progress[64];

	ftp_assert(sscanf(args, "%u %u %u %u", &seconds, &n, &term, &step) == 4);
	for (unsigned i = 0; i < 4 * seconds; i++) {
		life_wait(l, 250);
		for (unsigned conn = 1; conn <= n; conn++) {
			snprintf(progress, sizeof(progress), "%u %u %u 0 0", conn, term, step);
			on_progress(l, progress);
		}
	}
}

static void on_evaluated(struct life *l, const char *args)
{
	struct ftp_evaluated m = {.n_correct = 6, .n_samples = 9, .loss = 0.5};
	unsigned conn;

	ftp_assert(sscanf(args, "%u %" SCNu64 " %" SCNu64, &conn, &m.term, &m.step) == 3);
	life_request(l, conn, FTP_METHOD_EVALUATED, ftp_evaluated_encode(&m), false);
}

static void on_finished(struct life *l, const char *args)
{
	struct ftp_finished m = {.train_s = 2};
	unsigned conn;

	ftp_assert(sscanf(args, "%u %" SCNu64 " %" SCNu64, &conn, &m.term, &m.step) == 3);
	if (conn == l->conn[l->plan.term ? l->plan.stages[0].node : 0])
		strcpy(m.params_digest, "0123456789abcdef0123456789abcdef");
	life_request(l, conn, FTP_METHOD_FINISHED, ftp_finished_encode(&m), false);
}

static void on_failed(struct life *l, const char *args)
{
	struct ftp_failed m;
	unsigned conn;

	ftp_assert(sscanf(args, "%u %100[^\n]", &conn, m.reason) == 2);
	life_request(l, conn, FTP_METHOD_FAILED, ftp_failed_encode(&m), false);
}

static void on_lost(struct life *l, const char *args)
{
	const struct ftp_event e = {.kind = FTP_EVENT_LOST,
		.conn = (uint32_t)atoi(args),
		.text = "the peer closed the connection"};

	life_step(l, &e, false);
}

static void on_broken(struct life *l, const char *args)
{
	const struct ftp_event e = {.kind = FTP_EVENT_BROKEN, .text = args};

	life_step(l, &e, false);
}

static void on_exited(struct life *l, const char *args)
{
	struct ftp_exited m = {.pid = 555};

	ftp_assert(sscanf(args, "%32s %u %u %100[^\n]", m.who, &m.signal, &m.code, m.reason) >= 3);
	for (unsigned i = 0; i < l->config.n_nodes; i++)
		if (!strcmp(m.who, l->names[i]) && l->conn[i])
			m.pid = 100 + l->conn[i];
	life_request(l, 99, FTP_METHOD_EXITED, ftp_exited_encode(&m), true);
}

static void on_serve(struct life *l, const char *args)
{
	bool all = !strcmp(args, "all");

	while (life_serve(l, (uint32_t)atoi(args)) && all)
		;
}

static void on_train(struct life *l, const char *args)
{
	life_train(l, (uint64_t)atoi(args));
}

static void on_finish(struct life *l, const char *args)
{
	(void)args;
	life_finish(l);
}

static void on_held(struct life *l, const char *args)
{
	struct ftp_held m = {.n_units = 0};
	unsigned conn;

	ftp_assert(sscanf(args, "%u %" SCNu64 " %" SCNu64 " %u", &conn, &m.term, &m.step,
			   &m.unit[0]) >= 3);
	m.n_units = m.unit[0] > 0;
	life_request(l, conn, FTP_METHOD_HELD, ftp_held_encode(&m), false);
}

static void on_hold(struct life *l, const char *args)
{
	struct ftp_hold m;
	unsigned conn;

	ftp_assert(sscanf(args, "%u %" SCNu64 " %" SCNu64, &conn, &m.term, &m.step) == 3);
	answer(l, conn, FTP_METHOD_HOLD, ftp_hold_encode(&m));
}

static void on_data(struct life *l, const char *args)
{
	l->all_data = !strcmp(args, "all");
}

/* A node has lost that peer, "silent for 0.8 s" or otherwise. */
static void on_lost_peer(struct life *l, const char *args)
{
	struct ftp_lost m = {0};
	double silence_s = 0;
	unsigned conn;

	ftp_assert(
		sscanf(args, "%u %" SCNu64 " %u %200[^\n]", &conn, &m.term, &m.node, m.text) == 4);
	sscanf(m.text, "%*[^:]: it has been silent for %lf s", &silence_s);
	m.silence_ns = (uint64_t)(silence_s * (double)FTP_NS_PER_S);
	life_request(l, conn, FTP_METHOD_LOST, ftp_lost_encode(&m), false);
}

static void on_raw(struct life *l, const char *args)
{
	char method[32], text[200];
	unsigned conn;
	json_t *body;

	ftp_assert(sscanf(args, "%u %31s %199[^\n]", &conn, method, text) == 3);
	body = json_loads(text, 0, NULL);
	ftp_assert(body);
	life_request(l, conn, method, body, true);
}

void life_wait(struct life *l, uint64_t ms)
{
	uint64_t until_ns = l->now_ns + ms * FTP_NS_PER_MS;
	const struct ftp_event tick = {.kind = FTP_EVENT_TICK};

	while (ftp_coordinator_deadline(l->core) <= until_ns) {
		uint64_t at_ns = ftp_coordinator_deadline(l->core);

		l->now_ns = at_ns > l->now_ns ? at_ns : l->now_ns;
		fprintf(l->trace, "  at %d ms\n",
			(int)((l->now_ns - LIFE_BEGIN_NS) / FTP_NS_PER_MS));
		life_step(l, &tick, false);
	}
	l->now_ns = until_ns;
}

static void on_wait(struct life *l, const char *args)
{
	life_wait(l, (uint64_t)atoi(args));
}

static void on_pause(struct life *l, const char *args)
{
	const struct ftp_event e = {
		.kind = FTP_EVENT_PAUSED, .pause_ns = (uint64_t)atoi(args) * FTP_NS_PER_MS};

	l->now_ns += e.pause_ns;
	life_step(l, &e, false);
}

static void on_late(struct life *l, const char *args)
{
	l->now_ns += (uint64_t)atoi(args) * FTP_NS_PER_MS;
}

static void on_memory(struct life *l, const char *args)
{
	unsigned node, mib;

	ftp_assert(sscanf(args, "n%u %u", &node, &mib) == 2);
	l->nodes[node - 1].memory_bytes = (uint64_t)mib << 20;
}

static void on_pace(struct life *l, const char *args)
{
	l->pace_ms = (uint64_t)atoi(args);
}

static void on_slow(struct life *l, const char *args)
{
	char name[8];
	double by;

	ftp_assert(sscanf(args, "%7s %lf", name, &by) == 2);
	for (unsigned i = 0; i < l->config.n_nodes; i++)
		if (!strcmp(name, l->names[i]))
			l->slow[i] = by;
}

static const struct {
	const char *word;
	void (*run)(struct life *l, const char *args);
} words[] = {
	{"life", on_life},
	{"join", on_join},
	{"profile", on_profile},
	{"prepared", on_prepared},
	{"transferred", on_transferred},
	{"committed", on_committed},
	{"stopped", on_stopped},
	{"error", on_error},
	{"progress", on_progress},
	{"evaluated", on_evaluated},
	{"finished", on_finished},
	{"failed", on_failed},
	{"lost", on_lost},
	{"broken", on_broken},
	{"exited", on_exited},
	{"stop", life_on_stop},
	{"status", life_on_status},
	{"raw", on_raw},
	{"wait", on_wait},
	{"stall", on_stall},
	{"pause", on_pause},
	{"late", on_late},
	{"memory", on_memory},
	{"pace", on_pace},
	{"slow", on_slow},
	{"plan", life_on_plan},
	{"serve", on_serve},
	{"train", on_train},
	{"finish", on_finish},
	{"hold", on_hold},
	{"held", on_held},
	{"snapshots", life_on_snapshots},
	{"data", on_data},
	{"recover", life_on_recover},
	{"stored", life_on_stored},
	{"checkpoints", life_on_checkpoints},
	{"persisted", life_on_persisted},
	{"complain", on_lost_peer},
	{"forget", life_on_forget},
	{"restart", life_on_restart},
	{"tamper", life_on_tamper},
	{"rejoin", life_on_rejoin},
	{"away", life_on_away},
	{"repartition", life_on_repartition},
	{"drain", life_on_drain},
	{"toggle", life_on_toggle},
	{"emulate", life_on_emulate},
	{"fail", life_on_fail},
};

static void run_line(struct life *l, const char *line)
{
	size_t n = strcspn(line, " ");

	fprintf(l->trace, "%s\n", line);
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (n == strlen(words[i].word) && !strncmp(line, words[i].word, n)) {
			words[i].run(l, line + n + (line[n] == ' '));
			return;
		}
	}
	ftp_assert(!"a word of the script is unknown");
}

char *life_trace(const char *text)
{
	struct life l = {.trace = NULL};
	char *trace = NULL, *lines = strdup(text), *save, *line;
	size_t bytes;

	l.trace = open_memstream(&trace, &bytes);
	for (line = strtok_r(lines, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (line[0] != ' ')
			run_line(&l, line);
	life_free_calls(&l);
	json_decref(l.journal);
	json_decref(l.tampered);
	ftp_coordinator_free(l.core);
	ftp_actions_free(&l.actions);
	fclose(l.trace);
	free(lines);
	return trace;
}
