/* Waker: how one thread of a process ends another's sleep. The sleeper arms it, looks once more for
 * work, then polls the descriptor; wake() costs a load unless somebody sleeps. One sleeper; any
 * thread may wake. */
#ifndef FTP_BASE_WAKER_H
#define FTP_BASE_WAKER_H

#include <stdatomic.h>

#include "runtime/base/error.h"

struct ftp_waker {
	_Atomic int asleep;
	int fd; /* eventfd: readable after a wake */
};

int ftp_waker_init(struct ftp_waker *w, struct ftp_error *err);
void ftp_waker_deinit(struct ftp_waker *w);

void ftp_waker_arm(struct ftp_waker *w);
void ftp_waker_disarm(struct ftp_waker *w); /* after the sleep; empties the descriptor */
void ftp_waker_wake(struct ftp_waker *w);

#endif
