/* What the operator asks of a run (run.*): the documents of the control protocol's calls from
 * ftpctl to the coordinator. Encoders and decoders as in ctl/protocol.h. Pure; any thread. */
#ifndef FTP_CTL_PROTOCOL_OPERATOR_H
#define FTP_CTL_PROTOCOL_OPERATOR_H

#include <jansson.h>
#include <stdint.h>

#include "runtime/base/error.h"

struct ftp_repartition {
	char cuts[256];	  /* "": the planner chooses */
	char nodes[1024]; /* "n1,n3": stages in order; "": the planner chooses */
	uint32_t force;	  /* 1: even if it does not pay */
};

struct ftp_named {
	char name[33]; /* a node's */
};

struct ftp_toggle {
	uint32_t on; /* 0 or 1 */
};

struct ftp_recover {
	uint32_t from_beginning; /* 1: the missing unit states are given up; 0: what has failed is
				    tried again, and nothing is given up */
};

struct ftp_emulate_ask {
	char name[33];
	char settings[256]; /* "slowdown=5,delay=2ms": what is not named stays */
};

struct ftp_fail_ask {
	char name[33]; /* a node's, or "coordinator" */
	char how[16];
};

json_t *ftp_repartition_encode(const struct ftp_repartition *m);
int ftp_repartition_decode(struct ftp_repartition *m, const json_t *j, struct ftp_error *err);
json_t *ftp_named_encode(const struct ftp_named *m);
int ftp_named_decode(struct ftp_named *m, const json_t *j, struct ftp_error *err);
json_t *ftp_toggle_encode(const struct ftp_toggle *m);
int ftp_toggle_decode(struct ftp_toggle *m, const json_t *j, struct ftp_error *err);
json_t *ftp_recover_encode(const struct ftp_recover *m);
int ftp_recover_decode(struct ftp_recover *m, const json_t *j, struct ftp_error *err);
json_t *ftp_fail_ask_encode(const struct ftp_fail_ask *m);
int ftp_fail_ask_decode(struct ftp_fail_ask *m, const json_t *j, struct ftp_error *err);
json_t *ftp_emulate_ask_encode(const struct ftp_emulate_ask *m);
int ftp_emulate_ask_decode(struct ftp_emulate_ask *m, const json_t *j, struct ftp_error *err);

#endif
