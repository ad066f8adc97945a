/* What nodes and links were measured to do, as one document: of ftpctl profile --json, of a run's
 * events, or measured here.
 *
 *   {"source": text for people, "model", "micro_batch" (both of a file: samples)
 *    "nodes": [{"node": name, and the fields of struct ftp_profile}],
 *    "links": [{"node": name, "peer": [names], "rtt_ns": [], "bytes_per_s": []}]}
 *
 * The caller owns *out, which is NULL after an error. One thread. */
#ifndef FTP_CTL_MEASURED_H
#define FTP_CTL_MEASURED_H

#include <jansson.h>

#include "ctl/config.h"
#include "ctl/rundir.h"
#include "runtime/base/clock.h"

#define FTP_MEASURED_WAIT_NS (150 * FTP_NS_PER_S) /* of one node */

/* The newest of each node in the run's events; NULL: it measured nothing. */
json_t *ftp_measured_of_run(const struct ftp_rundir *dir);

/* -ENOENT, ...; -EINVAL: it is no such document. */
int ftp_measured_read(json_t **out, const char *file, struct ftp_error *err);

/* Measures the units on this machine, one node after the other, each on its own cores and as slow
 * as the configuration makes it; node: only that one (NULL: all). Links are not measured. Takes
 * some seconds a node. */
int ftp_measured_here(
	json_t **out, const struct ftp_config *c, const char *node, struct ftp_error *err);

/* The profile of that node, or NULL. */
const json_t *ftp_measured_node(const json_t *measured, const char *node);

#endif
