/* Builder: a thread that builds and frees assemblies in the background, at low priority, so that
 * the worker's training goes on. One job after the other: what is freed makes room for what is
 * built next. Where a plan has more than one member it finds pages for a second stage of the size
 * of the first, as soon as that is built, so that a change of plan need not. The worker's thread
 * makes every call.
 */
#ifndef FTP_RUNTIME_BUILDER_H
#define FTP_RUNTIME_BUILDER_H

#include "runtime/assembly.h"

struct ftp_builder; /* opaque */

/* waker (lent) ends the worker's sleep when something is built. n_threads: of the OpenMP team.
 * -EAGAIN and what pthread_create() gives. */
int ftp_builder_start(
	struct ftp_builder **out, int n_threads, struct ftp_waker *waker, struct ftp_error *err);

/* Ends what it is doing, frees what it has. */
void ftp_builder_stop(struct ftp_builder *b);

/* Takes a until ftp_builder_take() gives it. */
void ftp_builder_build(struct ftp_builder *b, struct ftp_assembly *a);

/* The next one that is built, or whose building failed (a->failed, a->err); NULL: none. */
struct ftp_assembly *ftp_builder_take(struct ftp_builder *b);

/* Takes a, which may wait here, be under way, or be the caller's (disconnected); frees it. */
void ftp_builder_discard(struct ftp_builder *b, struct ftp_assembly *a);

#endif
