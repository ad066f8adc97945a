#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/config_schema.h"

static const char set_prefix[] = "--set ";

/* "n1, n2, n3" */
static void list_names(const struct ftp_yaml *sequence, char *text, size_t bytes)
{
	size_t n = 0;

	text[0] = 0;
	for (const struct ftp_yaml *c = sequence->first; c && n < bytes; c = c->next) {
		const struct ftp_yaml *name = ftp_yaml_child(c, "name");

		if (name && name->kind == FTP_YAML_SCALAR)
			n += (size_t)snprintf(
				text + n, bytes - n, "%s%s", n ? ", " : "", name->text);
	}
}

static struct ftp_yaml *find_entry(const struct ftp_yaml *sequence, const char *name)
{
	for (struct ftp_yaml *c = sequence->first; c; c = c->next) {
		const struct ftp_yaml *n = ftp_yaml_child(c, "name");

		if (n && n->kind == FTP_YAML_SCALAR && !strcmp(n->text, name))
			return c;
	}
	return NULL;
}

/* The mapping that holds the last key of path (cut up in place), made where it lacks. *last is that
 * key. */
static int find_parent(struct ftp_yaml **y, char *path, const char *origin, const char **last,
	struct ftp_error *err)
{
	char names[256], *dot;

	for (; (dot = strchr(path, '.')); path = dot + 1) {
		struct ftp_yaml *child;

		*dot = 0;
		if ((*y)->kind == FTP_YAML_SEQUENCE) {
			child = find_entry(*y, path);
			list_names(*y, names, sizeof(names));
			if (!child)
				return ftp_error_set(err, EINVAL,
					"%s: no entry is named '%s'; expected one of %s", origin,
					path, names);
		} else {
			child = ftp_yaml_child(*y, path);
		}
		if (ftp_yaml_is_null(child)) {
			child = ftp_yaml_scalar(path, "");
			child->kind = FTP_YAML_MAPPING;
			child->origin = origin;
			ftp_yaml_put(*y, child);
		}
		if (child->kind == FTP_YAML_SCALAR)
			return ftp_error_set(err, EINVAL,
				"%s: '%s' is a plain value, it has no keys", origin, path);
		*y = child;
	}
	if ((*y)->kind != FTP_YAML_MAPPING)
		return ftp_error_set(err, EINVAL,
			"%s: expected a key of an entry, e.g. nodes.n1.memory=4GiB", origin);
	*last = path;
	return 0;
}

/* steps and epochs exclude each other: an override of one beats the file's other. */
static void drop_twin(struct ftp_yaml *root, const char *path)
{
	static const char *const twins[][2] = {{"steps", "epochs"}, {"epochs", "steps"}};
	struct ftp_yaml *training = ftp_yaml_child(root, "training"), *twin;

	for (int i = 0; i < 2; i++) {
		if (strncmp(path, "training.", 9) || strcmp(path + 9, twins[i][0]))
			continue;
		twin = ftp_yaml_child(training, twins[i][1]);
		if (twin && strncmp(twin->origin, set_prefix, strlen(set_prefix)))
			ftp_yaml_remove(training, twins[i][1]);
	}
}

int ftp_config_override(
	struct ftp_yaml *root, const char *text, const char *origin, struct ftp_error *err)
{
	const char *equals = strchr(text, '='), *key = NULL;
	struct ftp_yaml *value, *parent = root;
	char path[FTP_YAML_MAX_PATH];
	size_t n = equals ? (size_t)(equals - text) : 0;
	int rc;

	if (!n || n >= sizeof(path))
		return ftp_error_set(err, EINVAL,
			"%s: expected KEY=VALUE, e.g. --set training.steps=20", origin);
	rc = ftp_yaml_parse(&value, equals + 1, strlen(equals + 1), origin, false, err);
	if (rc)
		return rc;
	memcpy(path, text, n);
	path[n] = 0;
	rc = find_parent(&parent, path, origin, &key, err);
	if (rc) {
		ftp_yaml_free(value);
		return rc;
	}
	if (!equals[1 + strspn(equals + 1, " ")]) { /* nothing: the default */
		ftp_yaml_free(value);
		value = ftp_yaml_scalar(NULL, "");
		value->origin = origin;
	}
	value->key = strdup(key);
	ftp_assert(value->key);
	ftp_yaml_put(parent, value);
	memcpy(path, text, n);
	drop_twin(root, path);
	return 0;
}
