/* A coordinator's server over real sockets: a child process, which dies with the test. Its run has
 * two nodes, n1 and n2, whom the test plays. */
#ifndef FTP_TESTS_CTL_SERVER_SITE_H
#define FTP_TESTS_CTL_SERVER_SITE_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "ctl/config.h"
#include "ctl/rundir.h"

#define WAIT_NS (20 * FTP_NS_PER_S)

struct site {
	char root[64], address[32], metrics[32];
	uint64_t patience_ns;
	bool is_small; /* its disk */
	struct ftp_config *config;
	struct ftp_rundir dir;
	pid_t server;
};

struct site *site_new(void);				     /* an empty directory */
void site_make(struct site *s, const char *cuts, int steps); /* its run */
void site_start(struct site *s);			     /* its server */
int site_tear_down(void **state);

int site_free_port(void);
int site_connect(const char *address);
json_t *site_status(const struct site *s);
void site_await(const struct site *s, const char *state); /* that the run is in */

#endif
