/* A child process of the supervisor: started in a process group of its own, tied to its parent's
 * life, watched by pidfd. One thread. */
#ifndef FTP_CTL_CHILD_H
#define FTP_CTL_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "runtime/base/error.h"

struct ftp_child {
	char name[40]; /* "coordinator" or a node's name */
	pid_t pid;
	int pidfd;	  /* readable when it has ended; -1: not running */
	int code, signal; /* once it has ended; signal 0: it exited with code */
};

struct ftp_child_spec {
	const char *name;
	char *const *argv; /* argv[0] is the program's path */
	int output_fd;	   /* becomes stdout and stderr */
	int kept_fd;	   /* stays open in the child under its number; -1: none */
	int parent_death_signal;
};

/* Everything else that is open must be close-on-exec. -ENOENT, -EACCES, ... with the program's
 * path.
 */
int ftp_child_start(struct ftp_child *c, const struct ftp_child_spec *spec, struct ftp_error *err);

/* After pidfd is readable: fills code and signal, closes pidfd. */
void ftp_child_reap(struct ftp_child *c);

bool ftp_child_runs(const struct ftp_child *c);
void ftp_child_signal(const struct ftp_child *c, int signal); /* nothing if it has ended */

/* "n2 (pid 12) was killed by signal 9 (SIGKILL)" */
void ftp_child_describe(const struct ftp_child *c, char *text, size_t bytes);

#endif
