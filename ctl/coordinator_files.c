#include "ctl/coordinator_files.h"

#include <errno.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"

/* NULL: lost, or there was none yet. */
static json_t *read_journal(const struct ftp_rundir *dir, uint64_t run)
{
	struct ftp_error err;
	json_t *journal;
	int rc = ftp_rundir_read_journal(&journal, dir, &err);

	if (!rc)
		rc = ftp_coordinator_journal_check(journal, run, &err);
	if (!rc)
		return journal;
	if (rc != -ENOENT)
		ftp_log_error("%s is not used, and the run goes on as if it were lost: %s",
			FTP_RUNDIR_JOURNAL, err.text);
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
		past->journal = read_journal(dir, run);
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

void ftp_coordinator_files_row(struct ftp_coordinator_files *f, uint64_t step, double loss)
{
	ftp_rundir_add_loss(f->loss, step, loss);
	f->has_lines = true;
}

void ftp_coordinator_files_cut(struct ftp_coordinator_files *f, uint64_t step)
{
	struct ftp_error err;

	if (!f->is_broken && ftp_rundir_cut_loss(f->loss, step, &err))
		fail(f, &err);
}

/* The core knows no wall clock; people do. */
void ftp_coordinator_files_event(struct ftp_coordinator_files *f, json_t *body)
{
	char time[40];

	ftp_clock_wall_text(time, sizeof(time));
	json_object_set_new(body, "time", json_string(time));
	ftp_rundir_add_event(f->events, body);
	f->has_lines = true;
}

void ftp_coordinator_files_journal(struct ftp_coordinator_files *f, const json_t *body)
{
	struct ftp_error err;

	if (!f->is_broken && (ftp_rundir_sync(f->loss, FTP_RUNDIR_LOSS, &err) ||
				     ftp_rundir_write_journal(f->dir, body, &err)))
		fail(f, &err);
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
