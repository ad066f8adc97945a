#include "ctl/coordinator_files.h"

#include <errno.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"

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

	*f = (struct ftp_coordinator_files){.dir = dir};
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
	if (f->loss)
		fclose(f->loss);
	if (f->events)
		fclose(f->events);
}

static void fail(struct ftp_coordinator_files *f, const struct ftp_error *err)
{
	f->failed = *err;
	f->is_broken = true;
}

static void do_row(struct ftp_coordinator_files *f, const struct ftp_action *a)
{
	ftp_rundir_add_loss(f->loss, a->step, a->loss);
	f->has_lines = true;
}

static void do_cut(struct ftp_coordinator_files *f, const struct ftp_action *a)
{
	struct ftp_error err;

	if (!f->is_broken && ftp_rundir_cut_loss(f->loss, a->step, &err))
		fail(f, &err);
}

/* The core knows no wall clock; people do. */
static void do_event(struct ftp_coordinator_files *f, const struct ftp_action *a)
{
	char time[40];

	ftp_clock_wall_text(time, sizeof(time));
	json_object_set_new(a->body, "time", json_string(time));
	ftp_rundir_add_event(f->events, a->body);
	f->has_lines = true;
}

static void do_journal(struct ftp_coordinator_files *f, const struct ftp_action *a)
{
	struct ftp_error err;

	if (!f->is_broken && (ftp_rundir_sync(f->loss, FTP_RUNDIR_LOSS, &err) ||
				     ftp_rundir_write_journal(f->dir, a->body, &err)))
		fail(f, &err);
}

void ftp_coordinator_files_do(struct ftp_coordinator_files *f, const struct ftp_action *a)
{
	static void (*const doers[])(struct ftp_coordinator_files *, const struct ftp_action *) = {
		[FTP_ACTION_ROW] = do_row,
		[FTP_ACTION_CUT] = do_cut,
		[FTP_ACTION_EVENT] = do_event,
		[FTP_ACTION_JOURNAL] = do_journal,
	};

	doers[a->kind](f, a);
}

int ftp_coordinator_files_flush(struct ftp_coordinator_files *f, struct ftp_error *err)
{
	if (f->has_lines && !f->is_broken &&
		(ftp_rundir_flush(f->loss, FTP_RUNDIR_LOSS, err) ||
			ftp_rundir_flush(f->events, FTP_RUNDIR_EVENTS, err)))
		fail(f, err);
	f->has_lines = false;
	if (!f->failed.text[0])
		return 0;
	*err = f->failed;
	f->failed.text[0] = 0;
	return -EIO;
}
