/* The newest whole snapshot of a run, from its nodes' checkpoint directories. */
#include <errno.h>

#include "ctl/ftpctl.h"
#include "ctl/ftpctl_run.h"
#include "ctl/node_tool.h"
#include "runtime/base/clock.h"

#define DEFAULT_NAME "snapshot.safetensors"
#define WAIT_NS	     (600 * FTP_NS_PER_S)

static int export(json_t **out, const struct ftp_rundir *d, const char *path, struct ftp_error *err)
{
	struct ftp_node_tool tool = {.options = {"--export", path, "--run-dir", d->path},
		.key = "params_digest",
		.doing = "export what was trained by",
		.wait_ns = WAIT_NS};
	char file[FTP_PATHS_MAX];
	struct ftp_config *c;
	int rc;

	ftp_rundir_file(d, FTP_RUNDIR_CONFIG, file);
	rc = ftp_config_load(&c, file, NULL, 0, err);
	if (rc)
		return rc;
	tool.config = c;
	tool.node = c->nodes[0].name;
	rc = ftp_node_tool_run(out, &tool, err);
	ftp_config_free(c);
	return rc;
}

static void print_problems(const json_t *problems)
{
	const json_t *line;
	size_t i;

	json_array_foreach ((json_t *)problems, i, line)
		fprintf(stderr, "ftpctl: %s\n", json_string_value(line));
}

int ftp_ftpctl_export(const struct ftp_options *o)
{
	struct ftp_rundir d = {.path = ""};
	char path[FTP_PATHS_MAX];
	json_t *document = NULL;
	struct ftp_error err;
	int rc = ftp_ftpctl_find_output(&d, path, DEFAULT_NAME, o);

	if (rc)
		return rc;
	rc = export(&document, &d, path, &err);
	if (rc)
		return ftp_ftpctl_fail(o, (enum ftp_exit)ftp_options_exit(rc), err.text);
	print_problems(json_object_get(document, "problems"));
	json_object_set_new(document, "ok", json_true());
	json_object_set_new(document, "id", json_string(d.id));
	if (o->json) {
		ftp_ftpctl_print_json(document);
		return FTP_EXIT_OK;
	}
	printf("%s: the parameters after step %lld, digest %s\n", path,
		(long long)json_integer_value(json_object_get(document, "step")),
		json_string_value(json_object_get(document, "params_digest")));
	json_decref(document);
	return FTP_EXIT_OK;
}
