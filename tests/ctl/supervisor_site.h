/* A run of real processes for tests: the supervisor and the real coordinator, and stand-ins for the
 * nodes (fake_node.c). Every wait has a deadline. */
#ifndef FTP_TESTS_SUPERVISOR_SITE_H
#define FTP_TESTS_SUPERVISOR_SITE_H

#include <jansson.h>
#include <sys/types.h>

#include "ctl/supervisor.h"

#define MAX_PIDS 8

struct site {
	char root[64]; /* bin/, data/ and the configuration */
	struct ftp_config *config;
	struct ftp_rundir dir;
	pid_t supervisor;
	int supervisor_fd;
	int report_fd;
	pid_t pids[MAX_PIDS]; /* its children */
	int n_pids;
};

void site_set_programs(const char *coordinator, const char *node);
int site_free_port(int *held_fd);
void site_open(struct site *s, const char *training, int port);
void site_start(struct site *s);
int site_read_report(struct site *s, char *text, size_t bytes);
void site_await_exit(struct site *s);
void site_find_children(struct site *s);
void site_await_children(struct site *s);
json_t *site_ask(struct site *s, const char *method);
void site_await_training(struct site *s);
void site_expect_summary(struct site *s, const char *state, const char *reason);
void site_expect_clean(struct site *s);
void site_close(struct site *s);
void site_expect_losses(struct site *s, int n);
pid_t site_coordinator_of(struct site *s);
void site_await_coordinator_after(struct site *s, pid_t before);

#endif
