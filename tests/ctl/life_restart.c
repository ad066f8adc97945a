/* The coordinator is killed in a life, and comes back. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/ctl/life_state.h"

static uint64_t number(const json_t *j, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(j, key));
}

void life_take_journal(struct life *l, struct ftp_action *a)
{
	if (a->kind == FTP_ACTION_ROW) {
		l->past.n_rows = a->step;
		l->past.losses[a->step % FTP_LATE_ROWS] = a->loss;
	} else if (a->kind == FTP_ACTION_CUT) {
		l->past.n_rows = a->step;
	} else if (a->kind == FTP_ACTION_EVENT) {
		l->past.t_s = json_real_value(json_object_get(a->body, "t"));
	} else if (a->kind == FTP_ACTION_JOURNAL) {
		struct ftp_error err;

		json_decref(l->journal);
		l->journal = json_incref(a->body);
		if (ftp_coordinator_journal_check(l->journal, l->settings.run, &err))
			fprintf(l->trace, "  journal: %s\n", err.text);
	}
}

void life_check_call(const struct life *l, const struct ftp_action *a)
{
	if (!strcmp(a->method, FTP_METHOD_PREPARE) || !strcmp(a->method, FTP_METHOD_HALT))
		ftp_assert(a->term <= number(l->journal, "last_term"));
	if (!strcmp(a->method, FTP_METHOD_COMMIT))
		ftp_assert(a->term == number(l->journal, "plan_term"));
}

/* The configuration has this node no more; those after it move up. */
static void remove_node(struct life *l, unsigned node)
{
	unsigned n_after = l->config.n_nodes - node - 1;

	memmove(l->names[node], l->names[node + 1], n_after * sizeof(l->names[0]));
	memmove(l->stored[node], l->stored[node + 1], n_after * sizeof(l->stored[0]));
	memmove(&l->slow[node], &l->slow[node + 1], n_after * sizeof(l->slow[0]));
	l->config.n_nodes--;
}

static void reconfigure(struct life *l, const char *args)
{
	unsigned n;

	if (sscanf(args, "with %u", &n) == 1)
		for (ftp_assert(n <= LIFE_MAX_NODES); l->config.n_nodes < n;)
			life_add_node(l);
	else if (sscanf(args, "without n%u", &n) == 1)
		remove_node(l, n - 1);
}

/* Where the last key of the path belongs. */
static json_t *find(json_t *at, char *path, char **last)
{
	char *save, *key = strtok_r(path, ".", &save);

	for (*last = key; (key = strtok_r(NULL, ".", &save)); *last = key)
		at = json_is_array(at) ? json_array_get(at, (size_t)atoi(*last))
				       : json_object_get(at, *last);
	return at;
}

void life_on_tamper(struct life *l, const char *args)
{
	json_t *journal = json_deep_copy(l->tampered ? l->tampered : l->journal), *at, *value;
	char path[64], text[200], *last;
	struct ftp_error err;

	ftp_assert(journal && sscanf(args, "%63s %199[^\n]", path, text) == 2);
	value = json_loads(text, JSON_DECODE_ANY, NULL);
	ftp_assert(value);
	at = find(journal, path, &last);
	if (json_is_array(at) ? json_array_set_new(at, (size_t)atoi(last), value)
			      : json_object_set_new(at, last, value))
		fprintf(l->trace, "  there is no such field\n");
	if (!ftp_coordinator_journal_check(journal, l->settings.run, &err)) {
		json_decref(l->tampered);
		l->tampered = journal;
		return;
	}
	json_decref(journal);
	fprintf(l->trace, "  refused: %s\n", err.text);
}

void life_on_restart(struct life *l, const char *args)
{
	struct ftp_coordinator_settings settings = l->settings;

	life_free_calls(l);
	ftp_coordinator_free(l->core);
	memset(l->conn, 0, sizeof(l->conn));
	reconfigure(l, args);
	l->past.journal = !strcmp(args, "lost") ? NULL : l->tampered ? l->tampered : l->journal;
	l->past.is_asked = !strcmp(args, "asked");
	settings.past = &l->past;
	l->core = ftp_coordinator_new(&settings, l->now_ns);
	json_decref(l->tampered);
	l->tampered = NULL;
}

void life_on_away(struct life *l, const char *args)
{
	l->step += (uint64_t)atoi(args);
	ftp_assert(l->step <= l->config.training.steps);
}

/* The last stage tells what the coordinator does not know. */
static void tell_rows(struct life *l, unsigned conn)
{
	struct ftp_progress *m = calloc(1, sizeof(*m));

	m->term = l->plan.term;
	m->step = l->step;
	m->samples = 8 * l->step;
	m->compute_s = (double)l->step;
	for (uint64_t s = l->told_row + 1; s <= l->step; s++) {
		m->row_step[m->n_rows] = s;
		m->row_loss[m->n_rows++] = 3.0 / (double)s;
	}
	life_request(l, conn, FTP_METHOD_PROGRESS, ftp_progress_encode(m), false);
	free(m);
}

/* Pairs of a field and a number. */
static void set_numbers(json_t *body, const char *args)
{
	char key[32];
	long long value;
	int n;

	for (; sscanf(args, " %31s %lld%n", key, &value, &n) == 2; args += n)
		json_object_set_new(body, key, json_integer(value));
}

void life_on_rejoin(struct life *l, const char *args)
{
	const struct ftp_plan *p = &l->plan;
	struct ftp_join m = {.protocol = FTP_PROTOCOL_VERSION,
		.incarnation = 7,
		.version = "0.1.0",
		.cpu = "test",
		.isa = "avx2",
		.n_cores = 2,
		.udp_port = {9, 10},
		.config = {1, 2},
		.run = l->settings.run,
		.term = p->term,
		.step = l->step,
		.newest_term = l->prepared.term > p->term ? l->prepared.term : p->term};
	json_t *body;
	unsigned conn;
	int n;

	ftp_assert(sscanf(args, "%u %32s%n", &conn, m.name, &n) == 2);
	m.pid = 100 + conn;
	if (l->prepared.term > p->term)
		m.next_term = l->prepared.term;
	if (!strcmp(m.name, "n1")) {
		m.dataset.high = 1;
		m.n_train = 35;
		m.n_test = 9;
	}
	if (p->term && !strcmp(m.name, p->stages[p->n_stages - 1].name))
		m.first_row = 1;
	body = ftp_join_encode(&m);
	set_numbers(body, args + n);
	life_request(l, conn, FTP_METHOD_JOIN, body, true);
	for (unsigned i = 0; i < l->config.n_nodes && !l->refused; i++)
		if (!strcmp(m.name, l->names[i]))
			l->conn[i] = conn;
	if (!l->refused && m.first_row)
		tell_rows(l, conn);
}
