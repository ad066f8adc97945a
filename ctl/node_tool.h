/* ftpipe-node as a tool: run beside no run, for one document that it prints on a line of its own
 * among those of its log. One thread. */
#ifndef FTP_CTL_NODE_TOOL_H
#define FTP_CTL_NODE_TOOL_H

#include <jansson.h>
#include <stdint.h>

#include "ctl/config.h"
#include "runtime/base/error.h"

#define FTP_NODE_TOOL_MAX_OPTIONS 8

struct ftp_node_tool {
	const struct ftp_config *config;
	const char *node;				/* whose part it plays */
	const char *options[FTP_NODE_TOOL_MAX_OPTIONS]; /* the mode and what it needs; NULL ends */
	const char *key;				/* that the document has */
	const char *doing;				/* "measure": for errors */
	uint64_t wait_ns;				/* for all of it */
};

/* The caller owns *out. -EIO with the tool's last words; what keeps it from starting. */
int ftp_node_tool_run(json_t **out, const struct ftp_node_tool *tool, struct ftp_error *err);

#endif
