/* Profile of a model on this node: how long each unit takes forward, backward and in the update, at
 * the run's micro-batch. The worker's thread; takes a few seconds. */
#ifndef FTP_RUNTIME_PROFILE_H
#define FTP_RUNTIME_PROFILE_H

#include "ctl/protocol.h"
#include "kernels/stage.h"

/* spec: as for training, its units and slots are ignored. Medians of a few rounds after warm-up. */
int ftp_profile_measure(
	struct ftp_profile *out, const struct ftp_stage_spec *spec, struct ftp_error *err);

#endif
