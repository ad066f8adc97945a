/* What a run needs of this machine, what is there, and what to do about the difference. Looks only:
 * nothing is created or changed. Main thread only. */
#ifndef FTP_CTL_DOCTOR_H
#define FTP_CTL_DOCTOR_H

#include <stdbool.h>

#include "ctl/config.h"
#include "runtime/base/error.h"

enum ftp_doctor_state {
	FTP_DOCTOR_OK,
	FTP_DOCTOR_NOTE, /* a run works, but not as well as it could */
	FTP_DOCTOR_FAIL, /* a run would not start */
};

struct ftp_doctor_result {
	const char *name;
	enum ftp_doctor_state state;
	char need[256], have[256];
	char fix[384]; /* what to do or, when nothing, what it means; "" when there is nothing to
			  say */
};

#define FTP_DOCTOR_MAX_RESULTS 16

struct ftp_doctor_report {
	struct ftp_doctor_result results[FTP_DOCTOR_MAX_RESULTS];
	int n_results;
	bool ok; /* nothing failed */
};

/* config may be NULL: then only what does not depend on one is looked at. */
void ftp_doctor_run(const struct ftp_config *config, struct ftp_doctor_report *report);

const char *ftp_doctor_state_name(enum ftp_doctor_state state); /* "ok", "note", "fail" */

#endif
