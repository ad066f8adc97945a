#include "ctl/story.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/document.h"
#include "ctl/events.h"

#define TEXT_MAX       1100
#define ENDING_SECONDS 4.0 /* nodes that go within are sent away: the run ends */
#define SAME_SECONDS   0.001
#define LL(j, key)     ((long long)ftp_document_integer(j, key))
#define NUMBER(j, key) ftp_document_number_or_0(j, key)
#define MILLIS(j, key) (1e3 * NUMBER(j, key))

struct ftp_story {
	json_t *chapters, *begin, *end;
	uint64_t n_earlier;
	json_t *loss; /* the chapter of the loss that training has not recovered from; lent; NULL */
	char stages[TEXT_MAX]; /* of the newest plan */
	long long stages_term;
	double last_t;
	char last_time[40];
	long long step;
};

struct ftp_story *ftp_story_new(void)
{
	struct ftp_story *s = calloc(1, sizeof(*s));

	ftp_assert(s);
	s->chapters = json_array();
	return s;
}

void ftp_story_free(struct ftp_story *s)
{
	json_decref(s->chapters);
	json_decref(s->begin);
	json_decref(s->end);
	free(s);
}

/* A document's text that cannot be encoded is left out: texts are cut to fit. */
static json_t *text_of(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static json_t *text_of(const char *fmt, ...)
{
	char text[TEXT_MAX];
	json_t *j;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = ' ';
	j = json_string(text);
	for (size_t n = strlen(text); !j && n; j = json_string(text))
		text[--n] = 0;
	return j;
}

/* text is taken. The chapter is lent. */
static json_t *add_chapter(struct ftp_story *s, const char *kind, const json_t *event, json_t *text)
{
	json_t *c = json_pack("{s:f, s:s, s:s, s:o}", "t", NUMBER(event, "t"), "time",
		ftp_document_text(event, "time"), "kind", kind, "text", text);

	ftp_assert(c);
	if (json_array_size(s->chapters) == FTP_STORY_MAX_CHAPTERS) {
		if (json_array_get(s->chapters, 0) == s->loss)
			s->loss = NULL;
		json_array_remove(s->chapters, 0);
		s->n_earlier++;
	}
	json_array_append_new(s->chapters, c);
	return c;
}

/* text is taken. */
static void add_part(json_t *chapter, const char *what, double t, json_t *text)
{
	json_t *parts = json_object_get(chapter, "parts");
	double after_s = t - NUMBER(chapter, "t");

	json_array_append_new(parts, json_pack("{s:s, s:f, s:o}", "what", what, "after_s",
					     after_s > 0 ? after_s : 0.0, "text", text));
}

static json_t *begin_loss(struct ftp_story *s, const json_t *event, double t, const char *time)
{
	json_t *c = add_chapter(s, "loss", event, json_string(""));

	json_object_set_new(c, "t", json_real(t));
	json_object_set_new(c, "time", json_string(time));
	json_object_set_new(c, "node", json_array());
	json_object_set_new(c, "resumed", json_false());
	json_object_set_new(c, "parts", json_array());
	return c;
}

static void on_begin(struct ftp_story *s, const json_t *e)
{
	if (!s->begin)
		s->begin = json_deep_copy(e);
}

static void on_progress(struct ftp_story *s, const json_t *e)
{
	s->step = LL(e, "step");
}

static void note_stages(struct ftp_story *s, const json_t *e)
{
	const json_t *stages = json_object_get(e, "stages");
	size_t n = 0;

	s->stages[0] = 0;
	s->stages_term = LL(e, "term");
	for (size_t i = 0; i < json_array_size(stages) && n + 80 < sizeof(s->stages); i++) {
		const json_t *stage = json_array_get(stages, i);

		n += (size_t)snprintf(s->stages + n, sizeof(s->stages) - n, "%s%.32s %lld-%lld",
			n ? ", " : "", ftp_document_text(stage, "node"), LL(stage, "first_unit"),
			LL(stage, "end_unit") - 1);
	}
}

static void on_plan(struct ftp_story *s, const json_t *e)
{
	bool is_first = !s->stages[0];

	note_stages(s, e);
	if (is_first)
		add_chapter(s, "plan", e,
			text_of("training begins, term %lld: %s", s->stages_term, s->stages));
}

/* That the process is gone is part of the story of its loss. */
static void drop_gone(struct ftp_story *s, const char *node, double t)
{
	size_t last = json_array_size(s->chapters) - 1;
	const json_t *c = json_array_size(s->chapters) ? json_array_get(s->chapters, last) : NULL;

	if (c && !strcmp(ftp_document_text(c, "kind"), "gone") &&
		!strcmp(ftp_document_text(c, "node"), node) && t - NUMBER(c, "t") < SAME_SECONDS)
		json_array_remove(s->chapters, last);
}

static void on_failure(struct ftp_story *s, const json_t *e)
{
	const char *node = ftp_document_text(e, "node"), *why = ftp_document_text(e, "why");
	double t = NUMBER(e, "t"), unheard_s = NUMBER(e, "unheard_s");
	bool is_first;

	if (node[0])
		drop_gone(s, node, t);
	is_first = !s->loss;
	if (is_first) {
		s->loss = begin_loss(s, e, t, ftp_document_text(e, "time"));
		json_object_set_new(s->loss, "text", text_of("%s", why));
	}
	if (node[0])
		json_array_append_new(json_object_get(s->loss, "node"), json_string(node));
	if (node[0] && unheard_s > 0)
		add_part(s->loss, is_first ? "detected" : "also", t,
			text_of("%s, %.0f ms after it was last heard; step %lld was the last one",
				is_first ? node : why, 1e3 * unheard_s, LL(e, "step")));
	else
		add_part(s->loss, is_first ? "detected" : "also", t,
			text_of("%s%sstep %lld was the last one", is_first ? "" : why,
				is_first ? "" : "; ", LL(e, "step")));
}

static void on_agreed(struct ftp_story *s, const json_t *e)
{
	const json_t *nodes = json_object_get(e, "nodes");
	char with[512] = "";
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(nodes) && n + 40 < sizeof(with); i++) {
		const char *name = json_string_value(json_array_get(nodes, i));

		n += (size_t)snprintf(
			with + n, sizeof(with) - n, "%s%.32s", n ? ", " : "", name ? name : "?");
	}
	if (s->loss)
		add_part(s->loss, "agreed", NUMBER(e, "t"),
			text_of("on step %lld with %s, term %lld: %lld steps are done again",
				LL(e, "step"), with, LL(e, "term"), LL(e, "lost_steps")));
}

/* The coordinator's last word on it has all figures. Runs of before there were `failure` events
 * have only this. */
static void on_recovery(struct ftp_story *s, const json_t *e)
{
	double t = NUMBER(e, "t"), total_s = NUMBER(e, "total_s");
	double sign = t - total_s, transfer_s = sign + NUMBER(e, "halt_s") + NUMBER(e, "prepare_s");
	json_t *c = s->loss;

	if (!c) {
		c = begin_loss(s, e, sign, "");
		add_part(c, "detected", sign,
			text_of("%s, %.0f ms after it was last heard; step %lld was the last one",
				ftp_document_text(e, "sign"), MILLIS(e, "unheard_s"),
				LL(e, "from_step")));
		add_part(c, "agreed", sign + NUMBER(e, "halt_s"),
			text_of("on step %lld, term %lld: %lld steps are done again", LL(e, "step"),
				LL(e, "term"), LL(e, "lost_steps")));
	}
	json_object_set_new(c, "text", text_of("%s", ftp_document_text(e, "why")));
	if (json_is_array(json_object_get(e, "lost")))
		json_object_set_new(c, "node", json_deep_copy(json_object_get(e, "lost")));
	add_part(c, "transferred", transfer_s + NUMBER(e, "transfer_s"),
		text_of("%.1f MB in %.0f ms, after %.0f ms of preparation",
			NUMBER(e, "moved_bytes") / 1e6, MILLIS(e, "transfer_s"),
			MILLIS(e, "prepare_s")));
	add_part(c, "resumed", t,
		text_of("with %s; commit %.0f ms, first new step %.0f ms",
			s->stages_term == LL(e, "term") ? s->stages : "another plan",
			MILLIS(e, "commit_s"), MILLIS(e, "first_step_s")));
	json_object_set_new(c, "lost_steps", json_integer(LL(e, "lost_steps")));
	json_object_set_new(c, "total_s", json_real(total_s));
	json_object_set_new(c, "resumed", json_true());
	s->loss = NULL;
}

static void on_gone(struct ftp_story *s, const json_t *e)
{
	const char *node = ftp_document_text(e, "node");
	json_t *c = add_chapter(
		s, "gone", e, text_of("%s has gone: %s", node, ftp_document_text(e, "reason")));

	json_object_set_new(c, "node", json_string(node));
}

/* Before there is a plan, they only gather. */
static void on_join(struct ftp_story *s, const json_t *e)
{
	if (s->stages[0])
		add_chapter(s, "join", e,
			text_of("%s has joined, pid %lld", ftp_document_text(e, "node"),
				LL(e, "pid")));
}

static void on_end(struct ftp_story *s, const json_t *e)
{
	size_t n;

	while ((n = json_array_size(s->chapters))) {
		const json_t *c = json_array_get(s->chapters, n - 1);

		if (strcmp(ftp_document_text(c, "kind"), "gone") ||
			NUMBER(c, "t") < NUMBER(e, "t") - ENDING_SECONDS)
			break;
		json_array_remove(s->chapters, n - 1);
	}
	s->loss = NULL;
	json_decref(s->end);
	s->end = json_deep_copy(e);
	add_chapter(s, "end", e,
		text_of("the run has %s%s%s", ftp_document_text(e, "outcome"),
			ftp_document_text(e, "reason")[0] ? ": " : "",
			ftp_document_text(e, "reason")));
}

/* Whatever its end was, it is taken up again. */
static void on_resume(struct ftp_story *s, const json_t *e)
{
	json_decref(s->end);
	s->end = NULL;
	add_chapter(s, "resume", e,
		text_of("the coordinator is there again, after step %lld: %s", LL(e, "step"),
			ftp_document_text(e, "how")));
}

static const struct {
	const char *kind;
	void (*take)(struct ftp_story *s, const json_t *e); /* NULL: no part of the story */
} kinds[] = {
	{"begin", on_begin},
	{"progress", on_progress},
	{"plan", on_plan},
	{"failure", on_failure},
	{"agreed", on_agreed},
	{"recovery", on_recovery},
	{"gone", on_gone},
	{"join", on_join},
	{"end", on_end},
	{"resume", on_resume},
	{"profile", NULL},
	{"links", NULL},
	{"trace", NULL},
	{"snapshot", NULL},
	{"evaluation", NULL},
	{"slowness", NULL},
};

void ftp_story_take(void *arg, const char *kind, const json_t *event)
{
	struct ftp_story *s = arg;
	char text[TEXT_MAX];

	s->last_t = NUMBER(event, "t");
	snprintf(s->last_time, sizeof(s->last_time), "%s", ftp_document_text(event, "time"));
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (strcmp(kinds[i].kind, kind))
			continue;
		if (kinds[i].take)
			kinds[i].take(s, event);
		return;
	}
	ftp_events_describe(event, text, sizeof(text));
	if (text[0])
		add_chapter(s, kind, event, text_of("%s", text));
}

json_t *ftp_story_document(const struct ftp_story *s)
{
	json_t *j = json_pack("{s:s, s:O?, s:I, s:O, s:o, s:o, s:f, s:o, s:I}", "run",
		ftp_document_text(s->begin, "id"), "nodes", json_object_get(s->begin, "nodes"),
		"n_earlier", (json_int_t)s->n_earlier, "chapters", s->chapters, "outcome",
		s->end ? text_of("%s", ftp_document_text(s->end, "outcome")) : json_null(),
		"reason", s->end ? text_of("%s", ftp_document_text(s->end, "reason")) : json_null(),
		"last_t", s->last_t, "last_time", text_of("%s", s->last_time), "step",
		(json_int_t)s->step);

	ftp_assert(j);
	return j;
}

/* "12:00:00.123" of "2026-01-31T12:00:00.123Z". */
static const char *clock_of(const json_t *chapter, char text[13])
{
	const char *time = ftp_document_text(chapter, "time");

	snprintf(text, 13, "%.12s", strlen(time) == 24 ? time + 11 : "");
	return text;
}

void ftp_story_print_chapter(FILE *f, const json_t *chapter)
{
	const json_t *parts = json_object_get(chapter, "parts"), *part;
	char clock[13];
	size_t i;

	fprintf(f, "%12s %9.3f s  %s\n", clock_of(chapter, clock), NUMBER(chapter, "t"),
		ftp_document_text(chapter, "text"));
	json_array_foreach (parts, i, part)
		fprintf(f, "%26s%-12s%+8.0f ms  %s\n", "", ftp_document_text(part, "what"),
			MILLIS(part, "after_s"), ftp_document_text(part, "text"));
	if (json_is_true(json_object_get(chapter, "resumed")))
		fprintf(f, "%26s%-12s%8.0f ms, %lld steps\n", "", "lost",
			MILLIS(chapter, "total_s"), LL(chapter, "lost_steps"));
	else if (parts)
		fprintf(f, "%26s%-12s\n", "", "not resumed");
}
