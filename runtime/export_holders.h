/* Export holders: the nodes' checkpoint directories of a run, as a tool finds them, nodes at work
 * or not. Nothing is written to them. A holder is believed only where its record is sound and says
 * what the journal says, or else what most holders say; who is not believed, and why, is a line in
 * problems. One thread. */
#ifndef FTP_RUNTIME_EXPORT_HOLDERS_H
#define FTP_RUNTIME_EXPORT_HOLDERS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/error.h"
#include "runtime/export_history.h"

struct ftp_export_holders; /* opaque */

/* history, problems: lent until close. run_dir: the parent of checkpoint/. -ENODATA: the run has no
 * checkpoints. */
int ftp_export_holders_open(struct ftp_export_holders **out, const char *run_dir,
	struct ftp_export_history *history, json_t *problems, struct ftp_error *err);
void ftp_export_holders_close(struct ftp_export_holders *x);

/* The newest (step, term) before the one given that anybody holds anything of and that is of the
 * history that counts; false: there is none. */
bool ftp_export_holders_older(const struct ftp_export_holders *x, uint64_t *step, uint64_t *term);

/* The unit's state, of so many bytes. false: nobody who is believed has it. */
bool ftp_export_holders_read(struct ftp_export_holders *x, uint32_t unit, uint64_t step,
	uint64_t term, uint64_t bytes, void *into);

/* A node has replaced what it was asked for meanwhile: opened again, there will be newer states. */
bool ftp_export_holders_have_moved(const struct ftp_export_holders *x);

#endif
