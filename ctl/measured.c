#include "ctl/measured.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/cores.h"
#include "ctl/document.h"
#include "ctl/events.h"
#include "ctl/node_tool.h"
#include "ctl/pinning.h"

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

static int measure(json_t **out, const struct ftp_config *c, uint32_t node, const char *cores,
	struct ftp_error *err)
{
	const struct ftp_node_tool tool = {.config = c,
		.node = c->nodes[node].name,
		.options = {"--measure", "--cores", cores},
		.key = "forward_ns",
		.doing = "measure",
		.wait_ns = FTP_MEASURED_WAIT_NS};
	int rc = ftp_node_tool_run(out, &tool, err);

	if (!rc)
		json_object_set_new(*out, "node", json_string(tool.node));
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
