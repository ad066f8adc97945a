#include "ctl/measured.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ctl/child.h"
#include "ctl/cores.h"
#include "ctl/document.h"
#include "ctl/events.h"
#include "ctl/paths.h"
#include "ctl/pinning.h"
#include "runtime/base/clock.h"

#define MAX_OUTPUT (1 << 20)

static json_t *new_document(const char *source)
{
	json_t *j = json_pack("{s:s, s:[], s:[]}", "source", source, "nodes", "links");

	ftp_assert(j);
	return j;
}

const json_t *ftp_measured_node(const json_t *measured, const char *node)
{
	return ftp_document_find(json_object_get(measured, "nodes"), "node", node);
}

/* Takes the place of what is known of that node. */
static void put(json_t *array, const json_t *event)
{
	const char *node = ftp_document_text(event, "node");
	json_t *copy = json_copy((json_t *)event);

	json_object_del(copy, "kind");
	json_object_del(copy, "t");
	for (size_t i = 0; i < json_array_size(array); i++)
		if (!strcmp(ftp_document_text(json_array_get(array, i), "node"), node)) {
			json_array_set_new(array, i, copy);
			return;
		}
	if (json_array_size(array) < FTP_CONFIG_MAX_NODES)
		json_array_append(array, copy);
	json_decref(copy);
}

static void on_event(void *arg, const char *kind, const json_t *event)
{
	json_t *measured = arg;

	if (!strcmp(kind, "profile"))
		put(json_object_get(measured, "nodes"), event);
	else if (!strcmp(kind, "links"))
		put(json_object_get(measured, "links"), event);
}

json_t *ftp_measured_of_run(const struct ftp_rundir *dir)
{
	char source[64];
	json_t *measured;

	snprintf(source, sizeof(source), "measured by run %s", dir->id);
	measured = new_document(source);
	ftp_events_read(dir, 0, on_event, measured);
	if (json_array_size(json_object_get(measured, "nodes")))
		return measured;
	json_decref(measured);
	return NULL;
}

int ftp_measured_read(json_t **out, const char *file, struct ftp_error *err)
{
	json_error_t why;

	*out = NULL;
	if (access(file, R_OK))
		return ftp_error_set(err, errno, "%s: %s", file, strerror(errno));
	*out = json_load_file(file, JSON_REJECT_DUPLICATES, &why);
	if (*out && json_array_size(json_object_get(*out, "nodes")))
		return 0;
	ftp_error_set(err, EINVAL, "%s: expected what ftpctl profile --json prints%s%s", file,
		*out ? "" : ": ", *out ? "" : why.text);
	json_decref(*out);
	*out = NULL;
	return -EINVAL;
}

/* Reads until the end, the deadline or the bound. */
static size_t read_output(int fd, char *text)
{
	uint64_t deadline_ns = ftp_clock_now_ns() + FTP_MEASURED_WAIT_NS;
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
static int parse_output(json_t **out, char *text, const char *node, struct ftp_error *err)
{
	const char *last = "it said nothing", *said;
	char *save, prefix[64];

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		json_t *j = json_loads(line, 0, NULL);

		if (json_is_array(json_object_get(j, "forward_ns"))) {
			json_object_set_new(j, "node", json_string(node));
			*out = j;
			return 0;
		}
		json_decref(j);
		last = line;
	}
	snprintf(prefix, sizeof(prefix), " %s: ", node);
	said = strstr(last, prefix); /* of a log line in text form */
	return ftp_error_set(
		err, EIO, "cannot measure %s: %.512s", node, said ? said + strlen(prefix) : last);
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

static int measure(json_t **out, const struct ftp_config *c, uint32_t node, const char *cores,
	struct ftp_error *err)
{
	char program[2 * FTP_PATHS_MAX], dir[FTP_PATHS_MAX], config[32], *text;
	const char *name = c->nodes[node].name;
	char *const argv[] = {program, "--measure", "--config", config, "--node", (char *)name,
		"--cores", (char *)cores, NULL};
	struct ftp_child_spec spec = {.name = name, .argv = argv, .parent_death_signal = SIGKILL};
	struct ftp_child child;
	int output[2], rc;

	rc = ftp_paths_programs(dir, sizeof(dir), err);
	if (rc)
		return rc;
	if (pipe2(output, O_CLOEXEC))
		return ftp_error_set(err, errno, "pipe: %s", strerror(errno));
	spec.output_fd = output[1];
	spec.kept_fd = open_config(c);
	snprintf(program, sizeof(program), "%s/ftpipe-node", dir);
	snprintf(config, sizeof(config), "/proc/self/fd/%d", spec.kept_fd);
	rc = ftp_child_start(&child, &spec, err);
	close(output[1]);
	close(spec.kept_fd);
	if (!rc) {
		text = malloc(MAX_OUTPUT);
		ftp_assert(text);
		read_output(output[0], text);
		ftp_child_signal(&child, SIGKILL);
		ftp_child_reap(&child);
		rc = parse_output(out, text, name, err);
		free(text);
	}
	close(output[0]);
	return rc;
}

int ftp_measured_here(
	json_t **out, const struct ftp_config *c, const char *node, struct ftp_error *err)
{
	char cores[FTP_CONFIG_MAX_NODES][FTP_PINNING_LIST_BYTES];
	bool local[FTP_CONFIG_MAX_NODES] = {false};
	cpu_set_t available;
	int rc = 0;

	*out = NULL;
	if (node && ftp_config_find_node(c, node) < 0)
		return ftp_error_set(
			err, EINVAL, "%s: nodes: there is no node '%.64s'", c->file, node);
	memset(local, true, c->n_nodes * sizeof(*local));
	ftp_cores_available(&available);
	ftp_pinning_choose(c, local, &available, cores);
	*out = new_document("measured on this machine");
	for (uint32_t i = 0; !rc && i < c->n_nodes; i++) {
		json_t *profile = NULL;

		if (node && strcmp(node, c->nodes[i].name))
			continue;
		rc = measure(&profile, c, i, cores[i], err);
		if (!rc)
			json_array_append_new(json_object_get(*out, "nodes"), profile);
	}
	if (rc) {
		json_decref(*out);
		*out = NULL;
	}
	return rc;
}
