/* Model writer: a thread that writes model files, one after the other, so that a disk that takes
 * its time, or hangs, holds up nothing else: a write that hangs cannot be ended, and the next
 * plan's stage is to be built meanwhile. The worker's thread makes every call.
 */
#ifndef FTP_RUNTIME_MODEL_WRITER_H
#define FTP_RUNTIME_MODEL_WRITER_H

#include "runtime/base/waker.h"
#include "runtime/model_file.h"

struct ftp_model_writer; /* opaque */

/* waker (lent) ends the worker's sleep when a file is written. What pthread_create() gives. */
int ftp_model_writer_start(
	struct ftp_model_writer **out, struct ftp_waker *waker, struct ftp_error *err);

/* Waits for the file that is under way. */
void ftp_model_writer_stop(struct ftp_model_writer *w);

/* Takes f until ftp_model_writer_written() gives it, or it is dropped; one at a time, but for
 * those that were dropped: it begins when they have ended, as all have the same path. */
void ftp_model_writer_write(struct ftp_model_writer *w, struct ftp_model_file *f);

/* It is written, or could not be (f->failed, f->err); NULL: not yet. */
struct ftp_model_file *ftp_model_writer_written(struct ftp_model_writer *w);

/* f, which was not given yet, is of no interest any more: what is under way is not waited for. */
void ftp_model_writer_drop(struct ftp_model_writer *w, struct ftp_model_file *f);

#endif
