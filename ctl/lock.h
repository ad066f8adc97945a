/* The lock that makes one run per data directory: held by the supervisor for its life, by whatever
 * way that ends. The file holds its pid and is never removed. Any thread.
 *
 * An open-file-description lock: it survives the forks of a daemon's birth, and can be asked about
 * without being taken (flock(2) cannot: asking would make a concurrent start fail). */
#ifndef FTP_CTL_LOCK_H
#define FTP_CTL_LOCK_H

#include <sys/types.h>

#include "runtime/base/error.h"

/* 0: taken, *fd (close-on-exec) holds it until it and its copies are closed. 1: held by another,
 * *holder is its pid (0 while it is being born). -EACCES, ... */
int ftp_lock_take(const char *data_dir, int *fd, pid_t *holder, struct ftp_error *err);

/* Writes our pid into the file. */
void ftp_lock_sign(int fd);

/* Who holds it: a pid; 0: nobody. A holder that is being born counts as -1. */
pid_t ftp_lock_holder(const char *data_dir);

#endif
