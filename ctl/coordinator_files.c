#include "ctl/coordinator_files.h"

#include <errno.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"

#define TELL_NS (60 * FTP_NS_PER_S) /* that the disk is full, at most so often */

/* Rows come after the commit of a plan, and end with its last step. */
static int check_rows(const json_t *journal, uint64_t n_rows, struct ftp_error *err)
{
	uint64_t last_step = (uint64_t)json_integer_value(json_object_get(journal, "last_step"));

	if (n_rows && !json_integer_value(json_object_get(journal, "plan_term")))
		return ftp_error_set(err, EINVAL, "plan_term: 0, but " FTP_RUNDIR_LOSS " has rows");
	if (n_rows > last_step && last_step)
		return ftp_error_set(err, EINVAL,
			"last_step: %llu, but " FTP_RUNDIR_LOSS " has %llu rows",
			(unsigned long long)last_step, (unsigned long long)n_rows);
	return 0;
}

/* NULL: lost, or there was none yet. */
static json_t *read_journal(const struct ftp_rundir *dir, uint64_t run, uint64_t n_rows)
{
	struct ftp_error err;
	json_t *journal;
	int rc = ftp_rundir_read_journal(&journal, dir, &err);

	if (!rc)
		rc = ftp_coordinator_journal_check(journal, run, &err);
	if (!rc)
		rc = check_rows(journal, n_rows, &err);
	if (!rc)
		return journal;
	if (rc != -ENOENT)
		ftp_log_error(
			"%s/%s is not used: %s; the run goes on as if it were lost, from what "
			"all nodes together hold; if there is a good copy, stop the run, put "
			"it there and start with --resume",
			dir->path, FTP_RUNDIR_JOURNAL, err.text);
	json_decref(journal);
	return NULL;
}

int ftp_coordinator_files_open(struct ftp_coordinator_files *f, const struct ftp_rundir *dir,
	uint64_t run, struct ftp_coordinator_past *past, bool *is_resumed, struct ftp_error *err)
{
	int rc;

	*f = (struct ftp_coordinator_files){.dir = dir, .patience_ns = FTP_FILES_PATIENCE_NS};
	rc = ftp_rundir_open_loss(&f->loss, dir, err);
	*is_resumed = rc == -EEXIST;
	if (*is_resumed) {
		rc = ftp_rundir_resume_loss(
			&f->loss, dir, past->losses, FTP_LATE_ROWS, &past->n_rows, err);
		past->journal = read_journal(dir, run, past->n_rows);
	}
	return rc ? rc : ftp_rundir_resume_events(&f->events, dir, &past->t_s, err);
}

void ftp_coordinator_files_close(struct ftp_coordinator_files *f)
{
	ftp_lines_close(&f->loss);
	ftp_lines_close(&f->events);
}

static void fail(struct ftp_coordinator_files *f, const struct ftp_error *err)
{
	f->failed = *err;
	f->is_broken = true;
}

/* The log may be on that disk too; so what has happened is said again when it is over. */
static void no_room(struct ftp_coordinator_files *f, const struct ftp_error *err, uint64_t now_ns)
{
	f->full = *err;
	if (f->full_ns)
		return;
	f->full_ns = now_ns;
	f->is_told = !f->told_ns || now_ns >= f->told_ns + TELL_NS;
	if (!f->is_told)
		return;
	f->told_ns = now_ns;
	ftp_log_error("%s; training goes on, losses and events wait in memory: make room there, "
		      "and see checkpoint.max_bytes; the run ends if its %s cannot be written for "
		      "%.0f s",
		err->text, FTP_RUNDIR_JOURNAL, (double)f->patience_ns / (double)FTP_NS_PER_S);
}

static void has_room(struct ftp_coordinator_files *f, uint64_t now_ns)
{
	if (f->full_ns && f->is_told)
		ftp_log_warn("there is room again in %s, which was full for %.1f s: all losses are "
			     "written; %llu events have been dropped so far",
			f->dir->path, (double)(now_ns - f->full_ns) / (double)FTP_NS_PER_S,
			(unsigned long long)f->n_dropped);
	f->full_ns = 0;
}

/* rc of what has just been tried: 0 and positive go through, a full disk is positive. */
static int judge(
	struct ftp_coordinator_files *f, int rc, const struct ftp_error *err, uint64_t now_ns)
{
	if (ftp_lines_is_no_room(rc))
		rc = 1;
	if (rc > 0)
		no_room(f, err, now_ns);
	else if (rc)
		fail(f, err);
	return rc > 0;
}

static int do_row(struct ftp_coordinator_files *f, const struct ftp_action *a, uint64_t now_ns)
{
	(void)now_ns;
	if (!f->is_broken)
		ftp_rundir_add_loss(&f->loss, a->step, a->loss);
	return 0;
}

static int do_cut(struct ftp_coordinator_files *f, const struct ftp_action *a, uint64_t now_ns)
{
	struct ftp_error err;

	return f->is_broken ? 0
			    : judge(f, ftp_rundir_cut_loss(&f->loss, a->step, &err), &err, now_ns);
}

static int do_event(struct ftp_coordinator_files *f, const struct ftp_action *a, uint64_t now_ns)
{
	(void)now_ns;
	if (f->events.n_waiting >= FTP_FILES_EVENT_BYTES)
		f->n_dropped++;
	else
		ftp_rundir_add_event(&f->events, a->body);
	return 0;
}

static int do_journal(struct ftp_coordinator_files *f, const struct ftp_action *a, uint64_t now_ns)
{
	struct ftp_error err;
	int rc;

	if (f->is_broken)
		return 0;
	rc = ftp_lines_sync(&f->loss, &err);
	if (rc < 0) { /* for want of room too: what was not synced may be lost */
		fail(f, &err);
		return 0;
	}
	if (!rc)
		rc = ftp_rundir_write_journal(f->dir, a->body, &err);
	return judge(f, rc, &err, now_ns);
}

/* Whoever finds it takes the run for over: nothing may be missing. */
static int do_summary(struct ftp_coordinator_files *f, const struct ftp_action *a, uint64_t now_ns)
{
	struct ftp_error err;
	int rc = f->is_broken ? 0 : ftp_lines_write(&f->loss, &err);

	if (!rc && !f->is_broken)
		rc = ftp_lines_write(&f->events, &err);
	if (!rc)
		rc = ftp_rundir_write_summary(f->dir, a->body, &err);
	if (f->is_broken && rc)
		ftp_log_error("%s", err.text);
	return f->is_broken ? 0 : judge(f, rc, &err, now_ns);
}

/* The core knows no wall clock; people do. */
void ftp_coordinator_files_date(const struct ftp_action *a)
{
	char time[40];

	if (json_object_get(a->body, "time"))
		return;
	ftp_clock_wall_text(time, sizeof(time));
	json_object_set_new(a->body, "time", json_string(time));
}

int ftp_coordinator_files_do(
	struct ftp_coordinator_files *f, const struct ftp_action *a, uint64_t now_ns)
{
	static int (*const doers[])(
		struct ftp_coordinator_files *, const struct ftp_action *, uint64_t now_ns) = {
		[FTP_ACTION_ROW] = do_row,
		[FTP_ACTION_CUT] = do_cut,
		[FTP_ACTION_EVENT] = do_event,
		[FTP_ACTION_JOURNAL] = do_journal,
		[FTP_ACTION_SUMMARY] = do_summary,
	};

	f->is_refused = doers[a->kind](f, a, now_ns);
	return f->is_refused;
}

void ftp_coordinator_files_give_up(struct ftp_coordinator_files *f, uint64_t waited_ns)
{
	struct ftp_error err;

	f->is_refused = false;
	ftp_error_set(&err, ENOSPC,
		"no room for %.1f s: %s; make room there and go on with `ftpctl start --resume`",
		(double)waited_ns / (double)FTP_NS_PER_S, f->full.text);
	fail(f, &err);
}

static void write_lines(struct ftp_coordinator_files *f, struct ftp_lines *l, uint64_t now_ns)
{
	struct ftp_error err;

	if (l->n_waiting && !f->is_broken)
		judge(f, ftp_lines_write(l, &err), &err, now_ns);
}

int ftp_coordinator_files_flush(
	struct ftp_coordinator_files *f, uint64_t now_ns, struct ftp_error *err)
{
	write_lines(f, &f->loss, now_ns);
	write_lines(f, &f->events, now_ns);
	if (f->full_ns && !f->is_broken && !f->is_refused && !ftp_coordinator_files_waiting(f))
		has_room(f, now_ns);
	if (!f->failed.text[0])
		return 0;
	*err = f->failed;
	f->failed.text[0] = 0;
	return -EIO;
}

bool ftp_coordinator_files_has_rows(struct ftp_coordinator_files *f, uint64_t now_ns)
{
	write_lines(f, &f->loss, now_ns);
	return !f->loss.n_waiting;
}

size_t ftp_coordinator_files_waiting(const struct ftp_coordinator_files *f)
{
	return f->loss.n_waiting + f->events.n_waiting;
}
