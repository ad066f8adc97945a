/* News of snapshots on their way from the worker to the coordinator. The control thread. */
#ifndef FTP_RUNTIME_NEWS_H
#define FTP_RUNTIME_NEWS_H

#include "ctl/jsonrpc.h"
#include "runtime/worker.h"

/* Notifies node.stored of what the worker holds since the last call: of each snapshot once. before
 * is called before the first of them, if there is any. rpc: NULL drops them. */
void ftp_news_tell(
	struct ftp_worker *w, struct ftp_jsonrpc *rpc, void (*before)(void *arg), void *arg);
/* Notifies node.persisted of what came of puts since the last call. */
void ftp_news_tell_persisted(struct ftp_worker *w, struct ftp_jsonrpc *rpc);

#endif
