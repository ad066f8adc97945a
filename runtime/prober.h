/* Prober: runs a probe (runtime/probe.h) over links of its own, opened as a plan's are and closed
 * after. The worker's thread, while it has no plan. */
#ifndef FTP_RUNTIME_PROBER_H
#define FTP_RUNTIME_PROBER_H

#include <stdatomic.h>

#include "ctl/protocol.h"
#include "net/impair.h"
#include "runtime/base/waker.h"

struct ftp_prober_spec { /* lent for the call */
	const struct ftp_config *config;
	const struct ftp_probe *probe;
	int node;		  /* index in the config */
	int net_core;		  /* as for a plan */
	struct ftp_waker *waker;  /* ends the worker's sleep */
	struct ftp_impair impair; /* as in struct ftp_mesh_spec */
	bool is_drill;
	const _Atomic bool *stop; /* ends it early */
};

/* Within 20 s: -ETIMEDOUT or -ECONNRESET name the peer whose link is not measured; -EINVAL: this
 * node is not among the probed; -ECANCELED: stopped. */
int ftp_prober_measure(
	struct ftp_links *out, const struct ftp_prober_spec *spec, struct ftp_error *err);

#endif
