/* What happened to a run: its story, and what it waits for now or how it ended. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/document.h"
#include "ctl/events.h"
#include "ctl/ftpctl.h"
#include "ctl/ftpctl_run.h"
#include "ctl/lock.h"
#include "ctl/protocol.h"
#include "ctl/story.h"
#include "runtime/base/clock.h"
#include "runtime/base/recorder.h"

#define ASK_NS	    (3 * FTP_NS_PER_S)
#define FEW_RECORDS 8

struct why {
	const struct ftp_options *o;
	struct ftp_rundir dir;
	json_t *story;
	bool is_live;
	json_t *status; /* of a live run; NULL: its coordinator does not answer */
	char silence[300];
};

/* A live run is the newest of its data directory, and that has a supervisor. */
static void ask_status(struct why *w)
{
	struct ftp_ftpctl_run r = {.dir = w->dir};
	char *runs = strcpy(r.data_dir, w->dir.path);
	struct ftp_rundir latest;
	struct ftp_error err;

	for (int i = 0; i < 2 && strrchr(runs, '/'); i++)
		*strrchr(runs, '/') = 0;
	w->is_live = runs[0] && !ftp_rundir_latest(&latest, runs, NULL) &&
		     (!strcmp(latest.id, w->dir.id) || !strcmp(w->dir.id, "latest")) &&
		     ftp_lock_holder(runs) > 0 &&
		     json_is_null(json_object_get(w->story, "outcome"));
	if (w->is_live && ftp_ftpctl_ask(&r, FTP_METHOD_STATUS, NULL, ASK_NS, &w->status, &err))
		snprintf(w->silence, sizeof(w->silence), "%s", err.text);
}

static void say_change(const json_t *change)
{
	const json_t *awaited = json_object_get(change, "awaited");

	printf("now: %s for term %lld (%s); waits at most %.1f s more for",
		ftp_document_text(change, "phase"), (long long)ftp_document_integer(change, "term"),
		ftp_document_text(change, "reason"),
		ftp_document_number_or_0(change, "deadline_seconds"));
	for (size_t i = 0; i < json_array_size(awaited); i++)
		printf("%s %s", i ? "," : "", json_string_value(json_array_get(awaited, i)));
	printf("%s\n", json_array_size(awaited) ? "" : " nobody");
}

static void say_live(const struct why *w)
{
	const char *reason = ftp_document_text(w->status, "reason");
	const char *waiting_for = ftp_document_text(w->status, "waiting_for");
	const json_t *change = json_object_get(w->status, "change");

	if (!w->status) {
		printf("now: the coordinator does not answer: %s\n", w->silence);
		return;
	}
	reason = waiting_for[0] ? waiting_for : reason;
	printf("now: %s, step %lld of %lld%s%s\n", ftp_document_text(w->status, "state"),
		(long long)ftp_document_integer(w->status, "step"),
		(long long)ftp_document_integer(w->status, "last_step"), reason[0] ? ": " : "",
		reason);
	if (json_is_object(change) && !waiting_for[0])
		say_change(change);
}

/* The last error that each of the run's processes logged. */
static json_t *last_words(const struct why *w)
{
	static const char *const others[] = {"coordinator", "supervisor"};
	json_t *words = json_object();

	for (size_t i = 0; i < FTP_CONFIG_MAX_NODES + sizeof(others) / sizeof(*others); i++) {
		const json_t *nodes = json_object_get(w->story, "nodes");
		const char *who =
			i < 2 ? others[i] : json_string_value(json_array_get(nodes, i - 2));
		char text[768];

		if (!who)
			break;
		ftp_rundir_last_words(&w->dir, who, text, sizeof(text));
		if (text[0])
			json_object_set_new(words, who, json_string(text));
	}
	return words;
}

/* Who wrote it is gone, and did not end as it should. */
static bool died_badly(const struct why *w, const struct ftp_flight *f)
{
	return !f->is_ended && f->n &&
	       (!w->is_live || (kill((pid_t)f->head.pid, 0) && errno == ESRCH));
}

static void say_flight(const struct ftp_flight *f, uint32_t n_last)
{
	uint32_t first = f->n > n_last ? f->n - n_last : 0;

	printf("flight recorder of %s (pid %lld, since %s), the last %u of %llu records",
		f->head.who, (long long)f->head.pid, f->head.started, f->n - first,
		(unsigned long long)f->n_noted);
	printf(f->n_broken ? ", %u damaged ones left out:\n" : ":\n", f->n_broken);
	for (uint32_t i = first; i < f->n; i++) {
		ftp_flight_print(stdout, f, i);
		putchar('\n');
	}
}

/* The one before a restart, then the newest. */
static void say_flights(const struct why *w)
{
	const json_t *nodes = json_object_get(w->story, "nodes");

	for (size_t i = 0; i < 2 * json_array_size(nodes); i++) {
		const char *who = json_string_value(json_array_get(nodes, i / 2));
		char path[FTP_PATHS_MAX], name[64];
		struct ftp_flight f;

		snprintf(name, sizeof(name), FTP_RECORDER_PREFIX "%.40s%s", who ? who : "",
			i % 2 ? "" : ".old");
		ftp_rundir_file(&w->dir, name, path);
		if (!who || strchr(who, '/') || ftp_flight_read(&f, path, NULL))
			continue;
		if (died_badly(w, &f))
			say_flight(&f, FEW_RECORDS);
		ftp_flight_free(&f);
	}
}

static json_t *flight_document(const struct ftp_flight *f)
{
	json_t *records = json_array();

	for (uint32_t i = 0; i < f->n; i++) {
		char *line = NULL;
		size_t bytes;
		FILE *out = open_memstream(&line, &bytes);

		ftp_assert(out);
		ftp_flight_print(out, f, i);
		fclose(out);
		json_array_append_new(records, json_string(line));
		free(line);
	}
	return json_pack("{s:b, s:s, s:I, s:s, s:b, s:I, s:i, s:o}", "ok", 1, "who", f->head.who,
		"pid", (json_int_t)f->head.pid, "started", f->head.started, "ended", f->is_ended,
		"n_noted", (json_int_t)f->n_noted, "n_damaged", (int)f->n_broken, "records",
		records);
}

/* All of one process. */
static int flight(const struct ftp_options *o, const struct ftp_rundir *dir)
{
	char path[FTP_PATHS_MAX], name[64];
	struct ftp_flight f;
	struct ftp_error err;
	int rc;

	snprintf(name, sizeof(name), FTP_RECORDER_PREFIX "%.48s", o->flight);
	ftp_rundir_file(dir, name, path);
	rc = strchr(o->flight, '/')
		     ? ftp_error_set(&err, EINVAL, "--flight: expected a node's name")
		     : ftp_flight_read(&f, path, &err);
	if (rc)
		return ftp_ftpctl_fail(o, FTP_EXIT_FAILURE, err.text);
	if (o->json)
		ftp_ftpctl_print_json(flight_document(&f));
	else
		say_flight(&f, UINT32_MAX);
	ftp_flight_free(&f);
	return FTP_EXIT_OK;
}

static void say_dead(const struct why *w, const json_t *words)
{
	const json_t *text;
	const char *who;

	if (json_is_string(json_object_get(w->story, "outcome")))
		return;
	printf("now: it is dead. Its end was not written: the last event is of %.3f s, %s; step "
	       "%lld was the last one told of\n",
		ftp_document_number_or_0(w->story, "last_t"),
		ftp_document_text(w->story, "last_time"),
		(long long)ftp_document_integer(w->story, "step"));
	json_object_foreach ((json_t *)words, who, text)
		printf("last words of %s: %s\n", who, json_string_value(text));
}

static void say(const struct why *w, const json_t *words)
{
	const json_t *chapters = json_object_get(w->story, "chapters");
	long long n_earlier = ftp_document_integer(w->story, "n_earlier");

	printf("run %s, %s\n", w->dir.id, w->dir.path);
	if (n_earlier)
		printf("(%lld earlier ones are left out)\n", n_earlier);
	for (size_t i = 0; i < json_array_size(chapters); i++)
		ftp_story_print_chapter(stdout, json_array_get(chapters, i));
	if (!json_array_size(chapters))
		printf("nothing has happened\n");
	if (w->is_live)
		say_live(w);
	else
		say_dead(w, words);
	say_flights(w);
}

static void print(const struct why *w)
{
	json_t *words = last_words(w), *document = json_deep_copy(w->story);

	if (w->o->json) {
		json_object_update_new(
			document, json_pack("{s:s, s:b, s:O?, s:O}", "dir", w->dir.path, "live",
					  w->is_live, "status", w->status, "last_words", words));
		ftp_ftpctl_print_json(document);
	} else {
		say(w, words);
		json_decref(document);
	}
	json_decref(words);
}

int ftp_ftpctl_why(const struct ftp_options *o)
{
	struct why w = {.o = o};
	struct ftp_story *story;
	int rc = ftp_ftpctl_find_dir(&w.dir, o);

	if (rc)
		return rc;
	if (o->flight)
		return flight(o, &w.dir);
	story = ftp_story_new();
	ftp_events_read(&w.dir, 0, ftp_story_take, story);
	w.story = ftp_story_document(story);
	ftp_story_free(story);
	ask_status(&w);
	print(&w);
	json_decref(w.status);
	json_decref(w.story);
	return FTP_EXIT_OK;
}
