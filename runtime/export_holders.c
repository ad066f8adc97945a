#include "runtime/export_holders.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/checkpoint_dir.h"

#define MAX_PATH 4096

struct holder {
	char name[256], path[MAX_PATH];
	struct ftp_checkpoint_dir dir;
	uint32_t n_records;
	const struct ftp_checkpoint_record *asked; /* by the unit that is being read */
};

struct begun {
	uint64_t term;
	uint64_t step; /* the oldest that this term or a newer one has trained */
};

struct ftp_export_holders {
	const struct ftp_export_history *history;
	json_t *problems;
	bool have_moved;
	struct holder holders[FTP_CONFIG_MAX_NODES];
	uint32_t n;
	struct begun *begun; /* n_begun, by term; a term may be there several times */
	uint32_t n_begun;
};

/* NULL: its header is not what it should be. */
static const struct ftp_checkpoint_record *record(const struct holder *h, uint32_t i)
{
	enum ftp_checkpoint_record_state state;
	const struct ftp_checkpoint_record *r = ftp_checkpoint_record_at(h->dir.store, i, &state);

	return state == FTP_CHECKPOINT_GOOD ? r : NULL;
}

/* It stays if it is this run's, whose number is the first one's where nobody else knows it. */
static void add(struct ftp_export_holders *x, struct ftp_export_history *history, const char *dir,
	const char *name)
{
	struct holder *h = &x->holders[x->n];
	struct ftp_checkpoint_totals t;
	struct ftp_error why;

	snprintf(h->name, sizeof(h->name), "%s", name);
	if (snprintf(h->path, sizeof(h->path), "%s/%s", dir, name) >= (int)sizeof(h->path))
		return;
	if (ftp_checkpoint_dir_open(&h->dir, h->path, FTP_CHECKPOINT_DIR_LOOK, &why)) {
		ftp_export_problem(x->problems, "%s: %s", name, why.text);
		return;
	}
	ftp_checkpoint_totals(h->dir.store, &t);
	if (t.n_records && !history->run)
		history->run = t.run;
	if (t.n_records && t.run != history->run) {
		ftp_export_problem(x->problems,
			"%s: its directory is that of run %016" PRIx64 ", not %016" PRIx64
			": it is not used",
			name, t.run, history->run);
		ftp_checkpoint_dir_close(&h->dir);
		return;
	}
	h->n_records = t.n_records;
	x->n++;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_visible(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

static int by_term(const void *a, const void *b)
{
	const struct begun *one = a, *other = b;

	return (one->term > other->term) - (one->term < other->term);
}

/* Once: each question is then one search. */
static void note_begun(struct ftp_export_holders *x)
{
	uint32_t room = 0;

	for (const struct holder *h = x->holders; h < x->holders + x->n; h++)
		room += h->n_records;
	x->begun = malloc((room + 1) * sizeof(*x->begun));
	ftp_assert(x->begun);
	for (const struct holder *h = x->holders; h < x->holders + x->n; h++)
		for (uint32_t i = 0; i < h->n_records; i++) {
			const struct ftp_checkpoint_record *r = record(h, i);

			if (r)
				x->begun[x->n_begun++] = (struct begun){r->name.term, r->name.step};
		}
	qsort(x->begun, x->n_begun, sizeof(*x->begun), by_term);
	for (uint32_t i = x->n_begun; i-- > 1;)
		if (x->begun[i].step < x->begun[i - 1].step)
			x->begun[i - 1].step = x->begun[i].step;
}

int ftp_export_holders_open(struct ftp_export_holders **out, const char *run_dir,
	struct ftp_export_history *history, json_t *problems, struct ftp_error *err)
{
	struct ftp_export_holders *x;
	struct dirent **entries;
	char path[MAX_PATH];
	int n;

	snprintf(path, sizeof(path), "%s/checkpoint", run_dir);
	n = scandir(path, &entries, is_visible, by_name);
	if (n < 0)
		return ftp_error_set(
			err, ENODATA, "%s: %s: the run has no checkpoints", path, strerror(errno));
	x = calloc(1, sizeof(*x));
	ftp_assert(x);
	x->history = history;
	x->problems = problems;
	for (int i = 0; i < n; i++) {
		if (x->n < FTP_CONFIG_MAX_NODES)
			add(x, history, path, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	note_begun(x);
	*out = x;
	return 0;
}

void ftp_export_holders_close(struct ftp_export_holders *x)
{
	if (!x)
		return;
	for (uint32_t i = 0; i < x->n; i++)
		ftp_checkpoint_dir_close(&x->holders[i].dir);
	free(x->begun);
	free(x);
}

/* A newer term has trained this step or an earlier one: what the journal would say too. */
static bool is_overtaken(const struct ftp_export_holders *x, uint64_t term, uint64_t step)
{
	uint32_t first = 0, end = x->n_begun;

	while (first < end) { /* the first of a newer term */
		uint32_t middle = first + (end - first) / 2;

		if (x->begun[middle].term > term)
			end = middle;
		else
			first = middle + 1;
	}
	return first < x->n_begun && x->begun[first].step <= step;
}

bool ftp_export_holders_older(const struct ftp_export_holders *x, uint64_t *step, uint64_t *term)
{
	uint64_t best_step = 0, best_term = 0;

	for (const struct holder *h = x->holders; h < x->holders + x->n; h++)
		for (uint32_t i = 0; i < h->n_records; i++) {
			const struct ftp_checkpoint_record *r = record(h, i);
			uint64_t s = r ? r->name.step : 0, t = r ? r->name.term : 0;
			bool is_older = s < *step || (s == *step && t < *term);
			bool is_newer = s > best_step || (s == best_step && t > best_term);

			if (is_older && is_newer && ftp_export_history_is_valid(x->history, t, s) &&
				!is_overtaken(x, t, s)) {
				best_step = s;
				best_term = t;
			}
		}
	*step = best_step;
	*term = best_term;
	return best_step;
}

/* A node at work may have put something else into its place, which is no damage. */
static bool is_still_listed(const struct holder *h, const struct ftp_checkpoint_record *r)
{
	const struct ftp_checkpoint_record was = *r;
	struct ftp_checkpoint_dir again;
	bool found = false;
	struct ftp_checkpoint_totals t;

	if (ftp_checkpoint_dir_open(&again, h->path, FTP_CHECKPOINT_DIR_LOOK, NULL))
		return false;
	ftp_checkpoint_totals(again.store, &t);
	for (uint32_t i = 0; i < t.n_records && !found; i++) {
		const struct ftp_checkpoint_record *now =
			ftp_checkpoint_record_at(again.store, i, NULL);

		found = ftp_checkpoint_format_same(&now->name, &was.name) &&
			now->segment == was.segment && now->offset == was.offset;
	}
	ftp_checkpoint_dir_close(&again);
	return found;
}

/* Sets asked; NULL: it has none, or a broken one, which is told. */
static void ask(struct ftp_export_holders *x, struct holder *h, uint32_t unit, uint64_t step,
	uint64_t term, uint64_t bytes)
{
	enum ftp_checkpoint_record_state state;

	h->asked = NULL;
	for (uint32_t i = 0; i < h->n_records; i++) {
		const struct ftp_checkpoint_record *r =
			ftp_checkpoint_record_at(h->dir.store, i, &state);

		if (r->name.unit != unit || r->name.step != step || r->name.term != term ||
			r->name.bytes != bytes)
			continue;
		if (state == FTP_CHECKPOINT_GOOD)
			h->asked = r;
		else if (!is_still_listed(h, r))
			x->have_moved = true;
		else
			ftp_export_problem(x->problems,
				"%s: unit %u after step %" PRIu64 ": %s: another holder is asked",
				h->name, unit, step, ftp_checkpoint_record_state_name(state));
	}
}

static uint32_t n_who_say(const struct ftp_export_holders *x, struct ftp_digest digest)
{
	uint32_t n = 0;

	for (const struct holder *h = x->holders; h < x->holders + x->n; h++)
		n += h->asked && ftp_digest_equal(h->asked->name.digest, digest);
	return n;
}

/* What most of them say; false: as many say something else, or nobody says anything. */
static bool most_say(const struct ftp_export_holders *x, struct ftp_digest *digest)
{
	uint32_t best = 0, n;
	bool is_clear = false;

	for (const struct holder *h = x->holders; h < x->holders + x->n; h++) {
		if (!h->asked || (best && ftp_digest_equal(h->asked->name.digest, *digest)))
			continue;
		n = n_who_say(x, h->asked->name.digest);
		if (n >= best) {
			is_clear = n > best;
			best = n;
			*digest = h->asked->name.digest;
		}
	}
	return is_clear;
}

static void say_who_differs(const struct ftp_export_holders *x, uint32_t unit, uint64_t step)
{
	const struct holder *first = NULL;

	for (const struct holder *h = x->holders; h < x->holders + x->n; h++) {
		if (!h->asked)
			continue;
		if (!first)
			first = h;
		else if (!ftp_digest_equal(h->asked->name.digest, first->asked->name.digest))
			ftp_export_problem(x->problems,
				"%s and %s hold different states of unit %u after step %" PRIu64
				": none is used",
				first->name, h->name, unit, step);
	}
}

/* Those who say something else are not asked any more. */
static void leave_out(
	struct ftp_export_holders *x, uint32_t unit, uint64_t step, struct ftp_digest digest)
{
	for (struct holder *h = x->holders; h < x->holders + x->n; h++) {
		if (!h->asked || ftp_digest_equal(h->asked->name.digest, digest))
			continue;
		h->asked = NULL;
		ftp_export_problem(x->problems,
			"%s: unit %u after step %" PRIu64
			": it is not the state that the journal or most holders know: it is not "
			"used",
			h->name, unit, step);
	}
}

static bool read_from(struct ftp_export_holders *x, struct holder *h, void *into)
{
	const struct ftp_checkpoint_record was = *h->asked;
	int rc = ftp_checkpoint_dir_get(&h->dir, &was.name, into);

	if (!rc && ftp_digest_equal(ftp_digest_of(into, was.name.bytes), was.name.digest))
		return true;
	if (is_still_listed(h, &was))
		ftp_export_problem(x->problems,
			"%s: unit %u after step %" PRIu64 ": %s: another holder is asked", h->name,
			was.name.unit, was.name.step,
			rc && rc != -EBADMSG ? strerror(-rc) : "damaged");
	else
		x->have_moved = true;
	return false;
}

bool ftp_export_holders_read(struct ftp_export_holders *x, uint32_t unit, uint64_t step,
	uint64_t term, uint64_t bytes, void *into)
{
	struct ftp_digest digest;

	for (struct holder *h = x->holders; h < x->holders + x->n; h++)
		ask(x, h, unit, step, term, bytes);
	if (!ftp_export_history_digest(x->history, unit, step, term, &digest) &&
		!most_say(x, &digest)) {
		say_who_differs(x, unit, step);
		return false;
	}
	leave_out(x, unit, step, digest);
	for (struct holder *h = x->holders; h < x->holders + x->n; h++)
		if (h->asked && read_from(x, h, into))
			return true;
	return false;
}

bool ftp_export_holders_have_moved(const struct ftp_export_holders *x)
{
	return x->have_moved;
}
