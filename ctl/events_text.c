/* What an event says to people (ctl/events.h). */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ctl/document.h"
#include "ctl/events.h"

struct line {
	char *text;
	size_t bytes, n;
};

static void say(struct line *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(struct line *l, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(l->text + l->n, l->bytes - l->n, fmt, args);
	va_end(args);
	l->n += n > 0 ? (size_t)n : 0;
	if (l->n >= l->bytes)
		l->n = l->bytes - 1;
}

static void on_begin(struct line *l, const json_t *e)
{
	say(l, "run %s begins: %s, %s, batch %lld in %lld", ftp_document_text(e, "id"),
		ftp_document_text(e, "model"), ftp_document_text(e, "schedule"),
		(long long)ftp_document_integer(e, "batch"),
		(long long)ftp_document_integer(e, "micro_batches"));
}

static void on_end(struct line *l, const json_t *e)
{
	const char *reason = ftp_document_text(e, "reason");

	say(l, "the run has %s%s%s", ftp_document_text(e, "outcome"), reason[0] ? ": " : "",
		reason);
}

static double sum(const json_t *e, const char *key)
{
	const json_t *array = json_object_get(e, key);
	double all = 0;

	for (size_t i = 0; i < json_array_size(array); i++)
		all += json_number_value(json_array_get(array, i));
	return all;
}

static void on_profile(struct line *l, const json_t *e)
{
	say(l, "%s is measured: %zu units, forward %.1f ms, backward %.1f ms, update %.1f ms",
		ftp_document_text(e, "node"), json_array_size(json_object_get(e, "forward_ns")),
		sum(e, "forward_ns") / 1e6, sum(e, "backward_ns") / 1e6, sum(e, "update_ns") / 1e6);
}

static void on_links(struct line *l, const json_t *e)
{
	const json_t *peers = json_object_get(e, "peer");

	say(l, "links of %s:", ftp_document_text(e, "node"));
	for (size_t i = 0; i < json_array_size(peers); i++) {
		const char *peer = json_string_value(json_array_get(peers, i));

		say(l, "%s %s %.0f us %.0f MB/s", i ? "," : "", peer ? peer : "?",
			json_number_value(json_array_get(json_object_get(e, "rtt_ns"), i)) / 1e3,
			json_number_value(json_array_get(json_object_get(e, "bytes_per_s"), i)) /
				1e6);
	}
}

static void on_plan(struct line *l, const json_t *e)
{
	const json_t *stages = json_object_get(e, "stages");

	say(l, "plan %lld in force from step %lld on:", (long long)ftp_document_integer(e, "term"),
		(long long)ftp_document_integer(e, "step") + 1);
	for (size_t i = 0; i < json_array_size(stages); i++) {
		const json_t *s = json_array_get(stages, i);

		say(l, "%s %s %lld-%lld", i ? "," : "", ftp_document_text(s, "node"),
			(long long)ftp_document_integer(s, "first_unit"),
			(long long)ftp_document_integer(s, "end_unit") - 1);
	}
}

static void on_repartition(struct line *l, const json_t *e)
{
	const char *reason = ftp_document_text(e, "reason"), *why = ftp_document_text(e, "why");
	bool committed = !strcmp(ftp_document_text(e, "outcome"), "committed");

	say(l, "repartition to term %lld at step %lld", (long long)ftp_document_integer(e, "term"),
		(long long)ftp_document_integer(e, "step"));
	if (reason[0])
		say(l, " (%s)", reason);
	if (!committed) {
		say(l, " was abandoned%s%s", why[0] ? ": " : "", why);
		return;
	}
	say(l, ": moved %.1f MB, pause %.0f ms (hold %.0f, transfer %.0f, commit %.0f)",
		ftp_document_number_or_0(e, "moved_bytes") / 1e6,
		1e3 * ftp_document_number_or_0(e, "pause_s"),
		1e3 * ftp_document_number_or_0(e, "hold_s"),
		1e3 * ftp_document_number_or_0(e, "transfer_s"),
		1e3 * ftp_document_number_or_0(e, "commit_s"));
}

static void on_failure(struct line *l, const json_t *e)
{
	say(l, "%s; training halts: step %lld was the last one", ftp_document_text(e, "why"),
		(long long)ftp_document_integer(e, "step"));
}

static void on_agreed(struct line *l, const json_t *e)
{
	say(l, "training is to go on after step %lld, term %lld: %lld steps are done again",
		(long long)ftp_document_integer(e, "step"),
		(long long)ftp_document_integer(e, "term"),
		(long long)ftp_document_integer(e, "lost_steps"));
}

static void on_recovery(struct line *l, const json_t *e)
{
	say(l,
		"recovered: %s; training goes on after step %lld, %lld steps are done again; moved "
		"%.1f MB; %.0f ms to the first new step (halt %.0f, prepare %.0f, transfer %.0f, "
		"commit %.0f, step %.0f)",
		ftp_document_text(e, "why"), (long long)ftp_document_integer(e, "step"),
		(long long)ftp_document_integer(e, "lost_steps"),
		ftp_document_number_or_0(e, "moved_bytes") / 1e6,
		1e3 * ftp_document_number_or_0(e, "total_s"),
		1e3 * ftp_document_number_or_0(e, "halt_s"),
		1e3 * ftp_document_number_or_0(e, "prepare_s"),
		1e3 * ftp_document_number_or_0(e, "transfer_s"),
		1e3 * ftp_document_number_or_0(e, "commit_s"),
		1e3 * ftp_document_number_or_0(e, "first_step_s"));
}

static void on_evaluation(struct line *l, const json_t *e)
{
	say(l, "step %lld: test accuracy %.4f, test loss %.4f",
		(long long)ftp_document_integer(e, "step"), ftp_document_number_or_0(e, "accuracy"),
		ftp_document_number_or_0(e, "loss"));
}

static void on_slowness(struct line *l, const json_t *e)
{
	say(l, "%s takes %.2f times as long as measured (before: %.2f)",
		ftp_document_text(e, "node"), ftp_document_number_or_0(e, "value"),
		ftp_document_number_or_0(e, "before"));
}

static void on_emulate(struct line *l, const json_t *e)
{
	double bandwidth = ftp_document_number_or_0(e, "bandwidth_bytes");

	say(l, "%s emulates: slowdown %.4g, delay %.4g ms, loss %.4g, bandwidth ",
		ftp_document_text(e, "node"), ftp_document_number_or_0(e, "slowdown"),
		ftp_document_number_or_0(e, "delay_ns") / 1e6, ftp_document_number_or_0(e, "loss"));
	if (bandwidth > 0)
		say(l, "%.4g MB/s", bandwidth / 1e6);
	else
		say(l, "unlimited");
}

static void on_fail(struct line *l, const json_t *e)
{
	say(l, "drill: %s fails (%s)", ftp_document_text(e, "node"), ftp_document_text(e, "how"));
}

static void on_snapshots(struct line *l, const json_t *e)
{
	say(l, "snapshots are %s",
		json_is_true(json_object_get(e, "on")) ? "taken" : "off: none is taken");
}

static void on_drain(struct line *l, const json_t *e)
{
	say(l, "%s is being drained", ftp_document_text(e, "node"));
}

static void on_join(struct line *l, const json_t *e)
{
	say(l, "%s has joined, pid %lld", ftp_document_text(e, "node"),
		(long long)ftp_document_integer(e, "pid"));
}

static void on_gone(struct line *l, const json_t *e)
{
	const char *reason = ftp_document_text(e, "reason");

	say(l, "%s has gone%s%s", ftp_document_text(e, "node"), reason[0] ? ": " : "", reason);
}

static void on_waiting(struct line *l, const json_t *e)
{
	say(l, "training waits: %s", ftp_document_text(e, "why"));
}

static void on_checkpoint(struct line *l, const json_t *e)
{
	say(l, "the snapshot after step %lld is on disk, after %.0f ms",
		(long long)ftp_document_integer(e, "step"),
		1e3 * ftp_document_number_or_0(e, "seconds"));
}

static void on_checkpoint_failed(struct line *l, const json_t *e)
{
	say(l, "the snapshot after step %lld is not on disk: %s",
		(long long)ftp_document_integer(e, "step"), ftp_document_text(e, "why"));
}

static void on_snapshot_given_up(struct line *l, const json_t *e)
{
	say(l, "the snapshot after step %lld is not waited for any longer: %s",
		(long long)ftp_document_integer(e, "step"), ftp_document_text(e, "why"));
}

static void on_snapshots_too_often(struct line *l, const json_t *e)
{
	say(l, "%s", ftp_document_text(e, "why"));
}

static const struct {
	const char *kind;
	void (*describe)(struct line *l, const json_t *e);
} kinds[] = {
	{"begin", on_begin},
	{"end", on_end},
	{"profile", on_profile},
	{"links", on_links},
	{"plan", on_plan},
	{"repartition", on_repartition},
	{"failure", on_failure},
	{"agreed", on_agreed},
	{"recovery", on_recovery},
	{"evaluation", on_evaluation},
	{"slowness", on_slowness},
	{"emulate", on_emulate},
	{"fail", on_fail},
	{"snapshots", on_snapshots},
	{"drain", on_drain},
	{"join", on_join},
	{"checkpoint", on_checkpoint},
	{"checkpoint_failed", on_checkpoint_failed},
	{"snapshot_given_up", on_snapshot_given_up},
	{"snapshots_too_often", on_snapshots_too_often},
	{"gone", on_gone},
	{"waiting", on_waiting},
};

void ftp_events_describe(const json_t *event, char *text, size_t bytes)
{
	struct line l = {.text = text, .bytes = bytes};
	const char *kind = ftp_document_text(event, "kind");

	ftp_assert(bytes);
	text[0] = 0;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(kinds[i].kind, kind))
			kinds[i].describe(&l, event);
	/* Neither lines nor a terminal's escape sequences come from a file. */
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = ' ';
}
