#include "ctl/node_tool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ctl/child.h"
#include "ctl/paths.h"
#include "runtime/base/clock.h"

#define MAX_OUTPUT (1 << 20)
#define N_FIXED	   5 /* program, --config FILE, --node NAME */

/* Reads until the end, the deadline or the bound. */
static size_t read_output(int fd, char *text, uint64_t wait_ns)
{
	uint64_t deadline_ns = ftp_clock_now_ns() + wait_ns;
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	size_t n = 0;

	while (n < MAX_OUTPUT - 1) {
		uint64_t now_ns = ftp_clock_now_ns();
		ssize_t got;

		if (now_ns >= deadline_ns)
			break;
		if (poll(&pfd, 1, (int)((deadline_ns - now_ns) / FTP_NS_PER_MS) + 1) <= 0)
			continue;
		got = read(fd, text + n, MAX_OUTPUT - 1 - n);
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	text[n] = 0;
	return n;
}

/* The document is a line of its own among those of the log; the last line says what went wrong. */
static int parse_output(
	json_t **out, char *text, const struct ftp_node_tool *tool, struct ftp_error *err)
{
	const char *last = "it said nothing", *said;
	char *save, prefix[64];

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		json_t *j = json_loads(line, 0, NULL);

		if (json_object_get(j, tool->key)) {
			*out = j;
			return 0;
		}
		json_decref(j);
		last = line;
	}
	snprintf(prefix, sizeof(prefix), " %s: ", tool->node);
	said = strstr(last, prefix); /* of a log line in text form */
	return ftp_error_set(err, EIO, "cannot %s %s: %.512s", tool->doing, tool->node,
		said ? said + strlen(prefix) : last);
}

/* The configuration as a file that is gone with its last descriptor. */
static int open_config(const struct ftp_config *c)
{
	int fd = memfd_create("ftpipe.yaml", MFD_CLOEXEC);
	char *yaml = ftp_config_dump(c);
	ssize_t n = (ssize_t)strlen(yaml);

	ftp_assert(fd >= 0 && write(fd, yaml, (size_t)n) == n);
	free(yaml);
	return fd;
}

int ftp_node_tool_run(json_t **out, const struct ftp_node_tool *tool, struct ftp_error *err)
{
	char program[2 * FTP_PATHS_MAX], dir[FTP_PATHS_MAX], config[32], *text;
	const char *argv[N_FIXED + FTP_NODE_TOOL_MAX_OPTIONS + 1] = {
		program, "--config", config, "--node", tool->node};
	struct ftp_child_spec spec = {
		.name = tool->node, .argv = (char *const *)argv, .parent_death_signal = SIGKILL};
	struct ftp_child child;
	int output[2], rc;

	for (int i = 0; i < FTP_NODE_TOOL_MAX_OPTIONS && tool->options[i]; i++)
		argv[N_FIXED + i] = tool->options[i];
	rc = ftp_paths_programs(dir, sizeof(dir), err);
	if (rc)
		return rc;
	if (pipe2(output, O_CLOEXEC))
		return ftp_error_set(err, errno, "pipe: %s", strerror(errno));
	spec.output_fd = output[1];
	spec.kept_fd = open_config(tool->config);
	snprintf(program, sizeof(program), "%s/ftpipe-node", dir);
	snprintf(config, sizeof(config), "/proc/self/fd/%d", spec.kept_fd);
	rc = ftp_child_start(&child, &spec, err);
	close(output[1]);
	close(spec.kept_fd);
	if (!rc) {
		text = malloc(MAX_OUTPUT);
		ftp_assert(text);
		read_output(output[0], text, tool->wait_ns);
		ftp_child_signal(&child, SIGKILL);
		ftp_child_reap(&child);
		rc = parse_output(out, text, tool, err);
		free(text);
	}
	close(output[0]);
	return rc;
}
