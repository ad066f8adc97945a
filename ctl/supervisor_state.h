/* The supervisor's memory, shared by its files: supervisor_run.c (its life) and
 * supervisor_children.c (how a process is started). One thread. */
#ifndef FTP_CTL_SUPERVISOR_STATE_H
#define FTP_CTL_SUPERVISOR_STATE_H

#include "ctl/backoff.h"
#include "ctl/child.h"
#include "ctl/protocol.h"
#include "ctl/supervisor_run.h"

#define FTP_SUPERVISOR_MAX_CHILDREN (1 + FTP_CONFIG_MAX_NODES)

enum ftp_supervisor_phase {
	FTP_SUPERVISOR_RUNNING,
	FTP_SUPERVISOR_ENDING, /* the coordinator is ending the run, or nodes follow its end */
	FTP_SUPERVISOR_TERMINATING,
	FTP_SUPERVISOR_KILLING,
};

struct ftp_supervisor {
	const struct ftp_supervisor_params *params;
	struct ftp_child
		children[FTP_SUPERVISOR_MAX_CHILDREN]; /* the coordinator first, if there is one */
	uint32_t n_children;
	enum ftp_supervisor_phase phase;
	uint64_t deadline_ns; /* of the phase */
	uint64_t check_ns;    /* a node has ended: look whether the run ends; FTP_NS_NEVER */
	struct ftp_backoff restarts[FTP_CONFIG_MAX_NODES]; /* by node */
	struct {
		struct ftp_backoff restart; /* it serves when it answers that question */
		bool is_ready;	      /* it listens, or did: its end by itself is a decision */
		uint64_t ask_ns;      /* to be asked then whether it lives */
		uint64_t answered_ns; /* last */
	} coordinator;
	struct ftp_exited missed[FTP_CONFIG_MAX_NODES]; /* by node; who "": none */
	int signal_fd;
	char socket[FTP_PATHS_MAX];
	char reason[1024]; /* how the run ends, where the coordinator cannot know or record it */
};

/* Of its earlier life; NULL: it has had none. */
struct ftp_child *ftp_supervisor_children_find(struct ftp_supervisor *s, const char *name);
int ftp_supervisor_children_start_node(
	struct ftp_supervisor *s, uint32_t node, struct ftp_error *err);
/* Until it listens, or could not: an exit code with the reason. */
int ftp_supervisor_children_start_coordinator(struct ftp_supervisor *s, struct ftp_error *err);

#endif
