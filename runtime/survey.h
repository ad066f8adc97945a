/* Survey: what a node measures before it has a plan: its model's units and its links. The worker's
 * thread, for seconds. */
#ifndef FTP_RUNTIME_SURVEY_H
#define FTP_RUNTIME_SURVEY_H

#include "runtime/prober.h"
#include "runtime/worker.h"

struct ftp_survey_spec { /* lent for the call */
	const struct ftp_worker_params *params;
	double slowdown;
	struct ftp_impair impair;
	struct ftp_waker *waker;
	const _Atomic bool *stop;
};

/* FTP_OUTCOME_PROFILED and _PROBED; with text where they failed. isa: its name. Takes probe. */
struct ftp_outcome ftp_survey_units(const struct ftp_survey_spec *spec, const char *isa);
struct ftp_outcome ftp_survey_links(const struct ftp_survey_spec *spec, struct ftp_probe *probe);

#endif
