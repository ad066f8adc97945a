/* A run's directory: <data_dir>/runs/<id>/ with config.yaml, loss.csv, summary.json, the log, later
 * model.safetensors, and while the run lives coordinator.sock. Nothing that a run leaves behind,
 * kill -9 included, lies elsewhere, but for what runtime/base/shm.h says. <data_dir>/runs/latest
 * points to the newest. Any thread; each struct one thread. */
#ifndef FTP_CTL_RUNDIR_H
#define FTP_CTL_RUNDIR_H

#include <jansson.h>
#include <stdint.h>

#include "ctl/config.h"
#include "ctl/lines.h"
#include "ctl/paths.h"
#include "runtime/base/error.h"

#define FTP_RUNDIR_ID_BYTES 32

struct ftp_rundir {
	char path[FTP_PATHS_MAX];     /* absolute */
	char id[FTP_RUNDIR_ID_BYTES]; /* "20260131-120000-1a2b": sorts by time */
};

/* Makes the directory of a new run, writes the effective configuration into it and switches
 * `latest` to it. -EACCES, -ENOSPC, ... with the path. */
int ftp_rundir_create(
	struct ftp_rundir *d, const struct ftp_config *c, uint64_t run, struct ftp_error *err);

/* The number that the run was made with. -ENOENT, -EINVAL. */
int ftp_rundir_read_run(const struct ftp_rundir *d, uint64_t *run, struct ftp_error *err);

/* Another effective configuration, for a run that goes on. */
int ftp_rundir_write_config(
	const struct ftp_rundir *d, const struct ftp_config *c, struct ftp_error *err);

/* The run that `latest` names. -ENOENT: there was none yet. */
int ftp_rundir_latest(struct ftp_rundir *d, const char *data_dir, struct ftp_error *err);

/* The path of one of its files. */
void ftp_rundir_file(const struct ftp_rundir *d, const char *name, char path[FTP_PATHS_MAX]);

#define FTP_RUNDIR_CONFIG  "config.yaml"
#define FTP_RUNDIR_LOSS	   "loss.csv"
#define FTP_RUNDIR_SUMMARY "summary.json"
#define FTP_RUNDIR_LOG	   "log"
#define FTP_RUNDIR_EVENTS  "events.jsonl"
#define FTP_RUNDIR_SOCKET  "coordinator.sock"
#define FTP_RUNDIR_JOURNAL "journal.json"
#define FTP_RUNDIR_RUN	   "run"

/* Appending, close-on-exec; the caller owns the fd. Negative errno. */
int ftp_rundir_open_log(const struct ftp_rundir *d, struct ftp_error *err);

/* loss.csv with its header, new. -EEXIST: it is there. */
int ftp_rundir_open_loss(struct ftp_lines *l, const struct ftp_rundir *d, struct ftp_error *err);
/* The one that is there, to be gone on with: what follows the last good row goes. *n_rows: steps
 * 1 ..., losses[step % n_losses] of the last of them. Where that is more than a torn last line, the
 * file as it was stays as loss.csv.damaged, or with a number where there is one, and an error is
 * logged. */
int ftp_rundir_resume_loss(struct ftp_lines *l, const struct ftp_rundir *d, double *losses,
	uint64_t n_losses, uint64_t *n_rows, struct ftp_error *err);
void ftp_rundir_add_loss(struct ftp_lines *l, uint64_t step, double loss);
/* The rows after step go. As ftp_lines_cut(). */
int ftp_rundir_cut_loss(struct ftp_lines *l, uint64_t step, struct ftp_error *err);
/* events.jsonl, to be gone on with, without a torn last line, or new; *t_s: when the last event
 * was, or 0. */
int ftp_rundir_resume_events(
	struct ftp_lines *l, const struct ftp_rundir *d, double *t_s, struct ftp_error *err);
void ftp_rundir_add_event(struct ftp_lines *l, const json_t *body); /* body is lent */

/* Whole or not at all, and durable: written under a temporary name, synced, renamed. */
int ftp_rundir_write_whole(const struct ftp_rundir *d, const char *name, const char *text,
	size_t bytes, struct ftp_error *err);
/* Likewise; summary is lent. */
int ftp_rundir_write_summary(
	const struct ftp_rundir *d, const json_t *summary, struct ftp_error *err);
json_t *ftp_rundir_read_summary(const struct ftp_rundir *d); /* NULL: none, or unreadable */

/* journal.json likewise. -ENOENT: there is none; -EINVAL: it is no JSON, err says where. */
int ftp_rundir_write_journal(
	const struct ftp_rundir *d, const json_t *journal, struct ftp_error *err);
int ftp_rundir_read_journal(json_t **journal, const struct ftp_rundir *d, struct ftp_error *err);

/* The text of the last error that `who` logged, "" if there is none within the log's last 64 KiB.
 */
void ftp_rundir_last_words(const struct ftp_rundir *d, const char *who, char *text, size_t bytes);

#endif
