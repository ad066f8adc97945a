#include "ctl/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/config_schema.h"

#define MAX_FILE_BYTES	 (256 << 10)
#define MAX_OVERRIDES	 256
#define MAX_ORIGIN_BYTES 160

/* The whole file in text (MAX_FILE_BYTES + 1 of it); its length, or a negative errno. */
static ssize_t read_fd(int fd, char *text)
{
	size_t n = 0;
	ssize_t got;

	do {
		got = read(fd, text + n, MAX_FILE_BYTES + 1 - n);
		if (got < 0)
			return -errno;
		n += (size_t)got;
	} while (got && n <= MAX_FILE_BYTES);
	return n > MAX_FILE_BYTES ? -EFBIG : (ssize_t)n;
}

static int read_file(const char *file, char *text, size_t *bytes, struct ftp_error *err)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc;
	ssize_t n;

	if (fd < 0) {
		rc = errno;
		return ftp_error_set(
			err, rc, "%s: %s; give the configuration with -c FILE", file, strerror(rc));
	}
	n = read_fd(fd, text);
	close(fd);
	if (n == -EFBIG)
		return ftp_error_set(err, EINVAL, "%s: expected at most %d KiB of YAML", file,
			MAX_FILE_BYTES >> 10);
	if (n < 0)
		return ftp_error_set(err, (int)-n, "%s: %s", file, strerror((int)-n));
	*bytes = (size_t)n;
	return 0;
}

static int parse_file(struct ftp_yaml **root, const char *file, struct ftp_error *err)
{
	char *text = malloc(MAX_FILE_BYTES + 1);
	size_t bytes = 0;
	int rc;

	ftp_assert(text);
	rc = read_file(file, text, &bytes, err);
	if (!rc)
		rc = ftp_yaml_parse(root, text, bytes, file, true, err);
	free(text);
	return rc;
}

static int fill_node(void *arg, const char *path, struct ftp_yaml *y)
{
	(void)path;
	if (y->kind == FTP_YAML_MAPPING)
		ftp_yaml_merge(y, arg);
	return 0;
}

static void lay_defaults(struct ftp_yaml *root)
{
	struct ftp_yaml *all, *node;
	struct ftp_error err;

	ftp_assert(!ftp_yaml_parse(
		&all, ftp_config_defaults, strlen(ftp_config_defaults), NULL, false, &err));
	ftp_assert(!ftp_yaml_parse(&node, ftp_config_node_defaults,
		strlen(ftp_config_node_defaults), NULL, false, &err));
	if (root->kind == FTP_YAML_MAPPING)
		ftp_yaml_merge(root, all);
	ftp_yaml_each(root, "nodes.*", fill_node, node);
	ftp_yaml_free(all);
	ftp_yaml_free(node);
}

static int build(
	struct ftp_config **out, struct ftp_yaml *root, const char *file, struct ftp_error *err)
{
	int rc = ftp_config_support_check(root, err);
	bool has_period = false;
	struct ftp_config *c;

	if (!rc)
		rc = ftp_config_check_given(root, &has_period, err);
	if (rc)
		return rc;
	lay_defaults(root);
	rc = ftp_config_rules_apply(root, err);
	if (!rc)
		rc = ftp_config_read(&c, root, err);
	if (rc)
		return rc;
	c->file = strdup(file);
	ftp_assert(c->file);
	rc = ftp_config_check_fill(c, root, has_period, err);
	if (!rc)
		rc = ftp_config_check(c, root, err);
	if (!rc)
		rc = ftp_config_model_check(c, root, err);
	if (rc)
		ftp_config_free(c);
	else
		*out = c;
	return rc;
}

/* Text from a file goes to terminals. */
static void clean(struct ftp_error *err)
{
	for (char *c = err ? err->text : ""; *c; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	}
}

int ftp_config_load(struct ftp_config **out, const char *file, const char *const *overrides,
	int n_overrides, struct ftp_error *err)
{
	char(*origins)[MAX_ORIGIN_BYTES];
	struct ftp_yaml *root = NULL;
	int rc;

	if (n_overrides > MAX_OVERRIDES)
		return ftp_error_set(err, EINVAL, "expected at most %d overrides", MAX_OVERRIDES);
	origins = calloc((size_t)n_overrides + 1, sizeof(*origins));
	ftp_assert(origins);
	rc = parse_file(&root, file, err);
	if (!rc && root->kind != FTP_YAML_MAPPING)
		rc = ftp_error_set(err, EINVAL, "%s: expected `key: value` lines", file);
	for (int i = 0; i < n_overrides && !rc; i++) {
		snprintf(origins[i], sizeof(origins[i]), "--set %s", overrides[i]);
		rc = ftp_config_override(root, overrides[i], origins[i], err);
	}
	if (!rc)
		rc = build(out, root, file, err);
	if (rc)
		clean(err);
	ftp_yaml_free(root);
	free(origins);
	return rc;
}

void ftp_config_free(struct ftp_config *c)
{
	if (!c)
		return;
	free(c->file);
	ftp_config_release(c);
}

char *ftp_config_dump(const struct ftp_config *c)
{
	struct ftp_yaml *root = ftp_config_write(c);
	size_t bytes;
	char *text;

	ftp_config_rules_print(root);
	text = ftp_yaml_print(root, &bytes);
	ftp_yaml_free(root);
	return text;
}

static int drop_local(void *arg, const char *path, struct ftp_yaml *y)
{
	(void)arg;
	(void)path;
	ftp_yaml_remove(y, "data_dir");
	ftp_yaml_remove(y, "metrics");
	return 0;
}

static struct ftp_digest digest_and_free(struct ftp_yaml *root)
{
	struct ftp_digest digest;
	size_t bytes;
	char *text = ftp_yaml_print(root, &bytes);

	digest = ftp_digest_of(text, bytes);
	free(text);
	ftp_yaml_free(root);
	return digest;
}

struct ftp_digest ftp_config_digest(const struct ftp_config *c)
{
	struct ftp_yaml *root = ftp_config_write(c);

	ftp_yaml_remove(root, "log");
	ftp_yaml_remove(root, "metrics");
	ftp_yaml_each(root, "cluster", drop_local, NULL);
	ftp_yaml_each(root, "nodes.*", drop_local, NULL);
	return digest_and_free(root);
}

int ftp_config_find_node(const struct ftp_config *c, const char *name)
{
	for (uint32_t i = 0; i < c->n_nodes; i++) {
		if (!strcmp(c->nodes[i].name, name))
			return (int)i;
	}
	return -1;
}

static int drop_plans(void *arg, const char *path, struct ftp_yaml *y)
{
	(void)arg;
	(void)path;
	ftp_yaml_remove(y, "cuts");
	ftp_yaml_remove(y, "repartition");
	return 0;
}

struct ftp_digest ftp_config_training_digest(const struct ftp_config *c)
{
	static const char *const others[] = {
		"cluster", "nodes", "snapshot", "checkpoint", "net", "metrics", "log"};
	struct ftp_yaml *root = ftp_config_write(c);

	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		ftp_yaml_remove(root, others[i]);
	ftp_yaml_each(root, "training", drop_plans, NULL);
	return digest_and_free(root);
}
