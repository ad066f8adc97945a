/* A run's progress for people: redrawn in place on a terminal, one line now and then elsewhere.
 * Reads the documents of ctl/coordinator_report.c. One thread. */
#ifndef FTP_CTL_PROGRESS_VIEW_H
#define FTP_CTL_PROGRESS_VIEW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct ftp_progress_view {
	FILE *out;
	bool live;	     /* a terminal that can move its cursor */
	int n_drawn;	     /* lines of the picture on the terminal */
	char state[16];	     /* last shown */
	int percent;	     /* last shown */
	uint64_t printed_ns; /* plain lines: when the last was written */
};

void ftp_progress_view_init(struct ftp_progress_view *v, FILE *out);

/* Plain lines come when the state changes, and at most one a second when a percent has passed. */
void ftp_progress_view_update(struct ftp_progress_view *v, const json_t *status, uint64_t now_ns);

/* The last word: how it ended, with the figures of summary.json. */
void ftp_progress_view_end(struct ftp_progress_view *v, const json_t *summary, const char *dir);

/* The picture stays and what follows is written below it. */
void ftp_progress_view_leave(struct ftp_progress_view *v);

/* "step 120/469, epoch 1, loss 0.7823, 4386 samples/s, 0:12 left", or who is waited for. */
void ftp_progress_view_describe(const json_t *status, char *text, size_t bytes);

/* "1:02:03", "4:05" */
void ftp_progress_view_time(double seconds, char *text, size_t bytes);

#endif
