/* What the core did, as lines of a trace. */
#include <stdlib.h>
#include <string.h>

#include "tests/ctl/life_state.h"

static void print_plan(FILE *f, const json_t *body)
{
	struct ftp_plan plan;
	struct ftp_error err;

	ftp_assert(!ftp_plan_decode(&plan, body, &err));
	fprintf(f, " term %d steps 1-%d eval %u %s", (int)plan.term, (int)plan.last_step,
		plan.n_eval, plan.isa);
	for (uint32_t i = 0; i < plan.n_stages; i++)
		fprintf(f, " %s:%u-%u", plan.stages[i].name, plan.stages[i].first_unit,
			plan.stages[i].end_unit);
	for (uint32_t i = 0; i < plan.n_leaving; i++)
		fprintf(f, " %s:leaves", plan.leaving[i].name);
	if (plan.recovery)
		fprintf(f, " after step %d", (int)plan.recovery_step);
	if (plan.holder[0] == FTP_PLAN_INITIAL)
		return;
	fprintf(f, " from");
	for (uint32_t u = 0; u < plan.n_units; u++)
		fprintf(f, "%c%u", u ? ',' : ' ', plan.holder[u]);
}

/* The plain fields of the document. */
static void print_fields(FILE *f, const json_t *body)
{
	const json_t *value;
	const char *key;

	json_object_foreach ((json_t *)body, key, value) {
		if (json_is_integer(value))
			fprintf(f, " %s %d", key, (int)json_integer_value(value));
		else if (json_is_real(value))
			fprintf(f, " %s %g", key, json_real_value(value));
		else if (json_is_string(value))
			fprintf(f, " %s '%s'", key, json_string_value(value));
		else if (json_is_array(value))
			fprintf(f, " %s[%zu]", key, json_array_size(value));
	}
}

static void print_retain(FILE *f, const json_t *body)
{
	struct ftp_retain m;
	struct ftp_error err;

	ftp_assert(!ftp_retain_decode(&m, body, &err));
	fprintf(f, " term %d keep", (int)m.term);
	for (uint32_t i = 0; i < m.n_steps; i++)
		fprintf(f, "%c%d", i ? ',' : ' ', (int)m.step[i]);
	fprintf(f, "%s next %d%s", m.n_steps ? "" : " none", (int)m.next,
		m.global ? " globally" : "");
	if (m.disk)
		fprintf(f, " put %d", (int)m.disk);
	if (m.durable)
		fprintf(f, " durable %d", (int)m.durable);
}

static void print_call(FILE *f, const struct ftp_action *a)
{
	static const char *const open[] = {FTP_METHOD_HOLD, FTP_METHOD_TRANSFER, FTP_METHOD_COMMIT,
		FTP_METHOD_ABANDON, FTP_METHOD_HALT, FTP_METHOD_EMULATE, FTP_METHOD_FAIL};

	fprintf(f, "  call %u %s", a->conn, a->method);
	if (!strcmp(a->method, FTP_METHOD_PREPARE))
		print_plan(f, a->body);
	if (!strcmp(a->method, FTP_METHOD_RETAIN))
		print_retain(f, a->body);
	for (size_t i = 0; i < sizeof(open) / sizeof(*open); i++)
		if (!strcmp(a->method, open[i]))
			print_fields(f, a->body);
	fprintf(f, " within %d ms\n", (int)((a->deadline_ns - LIFE_BEGIN_NS) / FTP_NS_PER_MS));
}

/* What is measured is left out: it has tests of its own. */
static void print_event(FILE *f, const json_t *body)
{
	static const char *const quiet[] = {"begin", "end", "profile", "links", "progress"};
	const char *kind = json_string_value(json_object_get(body, "kind"));
	json_t *rest = json_copy((json_t *)body);

	json_object_del(rest, "t");
	json_object_del(rest, "kind");
	fprintf(f, "  event %s", kind);
	for (size_t i = 0; i < sizeof(quiet) / sizeof(*quiet); i++)
		if (!strcmp(kind, quiet[i]))
			json_object_clear(rest);
	print_fields(f, rest);
	fprintf(f, "\n");
	json_decref(rest);
}

static void print_document(FILE *f, const char *what, const json_t *j)
{
	char *state = json_dumps(json_object_get(j, "state"), JSON_ENCODE_ANY);
	char *loss = json_dumps(json_object_get(j, "final_loss"), JSON_ENCODE_ANY);
	char *digest = json_dumps(json_object_get(j, "params_digest"), JSON_ENCODE_ANY);

	fprintf(f, "  %s %s steps %d loss %s digest %s\n", what, state,
		(int)json_integer_value(json_object_get(j, "steps")), loss, digest);
	free(state);
	free(loss);
	free(digest);
}

void life_print(FILE *f, const struct ftp_action *a, bool call)
{
	static const char *const levels[] = {[FTP_LOG_ERROR] = "error",
		[FTP_LOG_WARNING] = "warning",
		[FTP_LOG_INFO] = "info",
		[FTP_LOG_DEBUG] = "debug"};

	if (a->kind == FTP_ACTION_CALL)
		print_call(f, a);
	else if (a->kind == FTP_ACTION_REPLY && call && a->code)
		fprintf(f, "  reply %d %s\n", a->code, a->text);
	else if (a->kind == FTP_ACTION_REPLY && call)
		fprintf(f, "  reply ok\n");
	else if (a->kind == FTP_ACTION_CLOSE)
		fprintf(f, "  close %u\n", a->conn);
	else if (a->kind == FTP_ACTION_ROW)
		fprintf(f, "  row %d %.9g\n", (int)a->step, a->loss);
	else if (a->kind == FTP_ACTION_CUT)
		fprintf(f, "  rows after %d are cut\n", (int)a->step);
	else if (a->kind == FTP_ACTION_EVENT)
		print_event(f, a->body);
	else if (a->kind == FTP_ACTION_LOG)
		fprintf(f, "  %s: %s\n", levels[a->level], a->text);
	else if (a->kind == FTP_ACTION_SUMMARY)
		print_document(f, "summary", a->body);
	else if (a->kind == FTP_ACTION_RAISE)
		fprintf(f, "  raise %d\n", a->code);
	else if (a->kind == FTP_ACTION_END)
		fprintf(f, "  end %s: %s\n", ftp_coordinator_outcome_name(a->outcome), a->text);
}
