/* What a run directory tells, in bounded memory: the input of ctl/report.h. One thread. */
#ifndef FTP_CTL_REPORT_DATA_H
#define FTP_CTL_REPORT_DATA_H

#include <jansson.h>

#include "ctl/config.h"
#include "ctl/rundir.h"
#include "ctl/series.h"

#define FTP_REPORT_MAX_EVENTS 512	   /* of each kind that is kept */
#define FTP_REPORT_MAX_TERMS  128	   /* plans whose step time is measured */
#define FTP_REPORT_STEPS      512	   /* measurements of it */
#define FTP_REPORT_MAX_LOSS   (1ull << 40) /* steps: more are a mistake */

struct ftp_report_term {
	uint64_t term;
	double predicted_s; /* of one step; 0: unknown */
	double step_s[FTP_REPORT_STEPS];
	uint32_t n_steps;
};

struct ftp_report_data {
	struct ftp_rundir dir;
	json_t *summary;     /* NULL: the run has not ended, or was killed */
	json_t *begin, *end; /* events; NULL: there is none */
	json_t *happened;    /* those that people want to know of, in order */
	json_t *marks;	     /* those of them that are marked in the curves */
	json_t *plans, *repartitions, *evaluations, *traces;
	uint64_t n_dropped; /* events beyond FTP_REPORT_MAX_EVENTS */
	struct ftp_series loss, rate, predicted_rate;
	struct ftp_report_slowness {
		char name[33];
		struct ftp_series series;
	} * slowness; /* of each node; FTP_CONFIG_MAX_NODES */
	uint32_t n_nodes;
	struct ftp_report_term *terms;
	uint32_t n_terms;
	double last_t, last_step; /* of the progress before */
};

/* Reads what is there; what is not, is empty. Free it with ftp_report_data_free(). */
struct ftp_report_data *ftp_report_data_read(const struct ftp_rundir *dir);
void ftp_report_data_free(struct ftp_report_data *d);

/* The measured step time of that term, 0 if there is none. */
double ftp_report_data_step_s(const struct ftp_report_data *d, uint64_t term);

#endif
