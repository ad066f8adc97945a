/* Values that depend on each other. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/config_schema.h"
#include "ctl/paths.h"
#include "runtime/base/address.h"

static void set_text(char **field, const char *text)
{
	free(*field);
	*field = strdup(text);
	ftp_assert(*field);
}

/* Relative paths are relative to the working directory: daemons have another. */
static int make_absolute(char **field, struct ftp_error *err)
{
	char path[FTP_PATHS_MAX];
	int rc = ftp_paths_absolute(*field, path, sizeof(path), err);

	if (!rc)
		set_text(field, path);
	return rc;
}

static int fill_data_dirs(struct ftp_config *c, struct ftp_error *err)
{
	char path[FTP_PATHS_MAX];
	int rc;

	if (!c->cluster.data_dir[0]) {
		rc = ftp_paths_default_data_dir(path, sizeof(path), err);
		if (rc)
			return ftp_error_prefix(err, rc, "cluster.data_dir");
		set_text(&c->cluster.data_dir, path);
	}
	rc = make_absolute(&c->cluster.data_dir, err);
	for (uint32_t i = 0; i < c->n_nodes && !rc; i++) {
		if (!c->nodes[i].data_dir[0])
			set_text(&c->nodes[i].data_dir, c->cluster.data_dir);
		rc = make_absolute(&c->nodes[i].data_dir, err);
	}
	return rc;
}

/* The i-th node serves its metrics on the cluster's port + 1 + i. */
static int fill_metrics(struct ftp_config *c, struct ftp_yaml *root, struct ftp_error *err)
{
	const char *colon = strrchr(c->metrics_listen, ':');
	long port = colon ? strtol(colon + 1, NULL, 10) : 0;
	char text[80];

	for (uint32_t i = 0; i < c->n_nodes; i++) {
		struct ftp_config_node *n = &c->nodes[i];

		if (n->metrics[0])
			continue;
		if (!colon) {
			set_text(&n->metrics, FTP_CONFIG_OFF);
			continue;
		}
		if (port + 1 + i > UINT16_MAX) {
			ftp_error_set(err, EINVAL,
				"no port is left for node '%s' after %s; choose a lower port",
				n->name, c->metrics_listen);
			return ftp_config_refuse(root, "metrics.listen", err);
		}
		snprintf(text, sizeof(text), "%.*s:%ld", (int)(colon - c->metrics_listen),
			c->metrics_listen, port + 1 + i);
		set_text(&n->metrics, text);
	}
	return 0;
}

/* Of a section, before defaults are laid under it; NULL: it is not given. */
static const struct ftp_yaml *given_every(const struct ftp_yaml *root, const char *section)
{
	const struct ftp_yaml *y = ftp_yaml_child(root, section);

	y = y && y->kind == FTP_YAML_MAPPING ? ftp_yaml_child(y, "every") : NULL;
	return y && y->kind == FTP_YAML_SCALAR && !ftp_yaml_is_null(y) ? y : NULL;
}

int ftp_config_check_given(struct ftp_yaml *root, bool *has_period, struct ftp_error *err)
{
	const struct ftp_yaml *snapshot = given_every(root, "snapshot");
	const struct ftp_yaml *checkpoint = given_every(root, "checkpoint");

	*has_period = snapshot;
	if (!snapshot || strcmp(snapshot->text, "0") || !checkpoint ||
		!strcmp(checkpoint->text, "0"))
		return 0;
	ftp_error_set(err, EINVAL,
		"expected 0 when snapshot.every is 0, as snapshots are what goes to the disks");
	return ftp_config_refuse(root, "checkpoint.every", err);
}

/* With 1f1b the last stage is up to n_stages - 1 steps ahead of the first, and a snapshot is whole
 * when the first is past it: taken more often than this, none would be new enough. Where the
 * planner chooses how many stages there are, the coordinator says so. */
static uint64_t least_period(const struct ftp_config *c)
{
	return c->training.schedule == FTP_SCHEDULE_1F1B && strcmp(c->training.cuts, "auto")
		       ? c->n_nodes
		       : 1;
}

int ftp_config_check_fill(
	struct ftp_config *c, struct ftp_yaml *root, bool has_period, struct ftp_error *err)
{
	int rc = fill_data_dirs(c, err);

	if (!rc)
		rc = make_absolute(&c->training.dataset.path, err);
	if (!rc)
		rc = fill_metrics(c, root, err);
	if (!c->training.steps && !c->training.epochs)
		c->training.epochs = 1;
	if (!has_period && c->snapshot.every < least_period(c))
		c->snapshot.every = least_period(c);
	if (!c->snapshot.every)
		c->checkpoint.every = 0;
	return rc;
}

static int check_numbers(const struct ftp_config *c, struct ftp_yaml *root, struct ftp_error *err)
{
	const struct ftp_config_training *t = &c->training;

	if (t->batch % t->micro_batches) {
		ftp_error_set(err, EINVAL,
			"expected a multiple of training.micro_batches (%u), got %u",
			t->micro_batches, t->batch);
		return ftp_config_refuse(root, "training.batch", err);
	}
	if (t->schedule == FTP_SCHEDULE_1F1B && t->micro_batches != 1) {
		ftp_error_set(err, EINVAL,
			"expected 1 when training.schedule is 1f1b, where a step is one "
			"micro-batch, got %u",
			t->micro_batches);
		return ftp_config_refuse(root, "training.micro_batches", err);
	}
	if (t->aggregate_every && t->schedule != FTP_SCHEDULE_1F1B) {
		ftp_error_set(err, EINVAL,
			"expected 0 unless training.schedule is 1f1b: flush has one version of "
			"the weights");
		return ftp_config_refuse(root, "training.aggregate_every", err);
	}
	if (t->steps && t->epochs) {
		ftp_error_set(
			err, EINVAL, "expected steps or epochs, got both; remove one of them");
		return ftp_config_refuse(root, "training.steps", err);
	}
	if (t->lr.kind == FTP_CONFIG_LR_STEP && !t->lr.step_every) {
		ftp_error_set(err, EINVAL, "expected at least 1 when training.lr.kind is step");
		return ftp_config_refuse(root, "training.lr.step_every", err);
	}
	if (t->optimizer.nesterov && t->optimizer.momentum == 0) {
		ftp_error_set(err, EINVAL, "expected a momentum above 0 with nesterov");
		return ftp_config_refuse(root, "training.optimizer.momentum", err);
	}
	if (c->snapshot.every && c->snapshot.every < least_period(c)) {
		ftp_error_set(err, EINVAL,
			"expected at least %u, auto or 0: with training.schedule 1f1b the last of "
			"%u stages is up to %u steps ahead of the first, and a loss would take "
			"back "
			"more than snapshot.every steps; got %llu",
			c->n_nodes, c->n_nodes, c->n_nodes - 1,
			(unsigned long long)c->snapshot.every);
		return ftp_config_refuse(root, "snapshot.every", err);
	}
	if (c->net.mtu && c->net.mtu < 576) {
		ftp_error_set(err, EINVAL, "expected 0 (ask the route) or 576 to 65535, got %u",
			c->net.mtu);
		return ftp_config_refuse(root, "net.mtu", err);
	}
	return 0;
}

static int check_names(const struct ftp_config *c, struct ftp_yaml *root, struct ftp_error *err)
{
	char path[FTP_YAML_MAX_PATH];

	for (uint32_t i = 0; i < c->n_nodes; i++) {
		if (ftp_config_find_node(c, c->nodes[i].name) == (int)i)
			continue;
		snprintf(path, sizeof(path), "nodes.%s.name", c->nodes[i].name);
		ftp_error_set(err, EINVAL, "expected a name of its own, got '%s' twice",
			c->nodes[i].name);
		return ftp_config_refuse_entry(root, "nodes.*.name", path, err);
	}
	return 0;
}

struct listener {
	const char *address;
	const char *pattern;
	char path[FTP_YAML_MAX_PATH];
};

static bool same_address(const char *a, const char *b)
{
	struct sockaddr_storage x, y;
	socklen_t x_bytes, y_bytes;

	return !ftp_address_parse(a, &x, &x_bytes, NULL) &&
	       !ftp_address_parse(b, &y, &y_bytes, NULL) && x_bytes == y_bytes &&
	       !memcmp(&x, &y, x_bytes);
}

static int check_ports(const struct ftp_config *c, struct ftp_yaml *root, struct ftp_error *err)
{
	struct listener all[2 + FTP_CONFIG_MAX_NODES] = {
		{c->cluster.coordinator_listen, "cluster.coordinator.listen",
			"cluster.coordinator.listen"},
		{c->metrics_listen, "metrics.listen", "metrics.listen"},
	};
	uint32_t n = 2;

	for (uint32_t i = 0; i < c->n_nodes; i++, n++) {
		all[n].address = c->nodes[i].metrics;
		all[n].pattern = "nodes.*.metrics";
		snprintf(all[n].path, sizeof(all[n].path), "nodes.%s.metrics", c->nodes[i].name);
	}
	for (uint32_t i = 1; i < n; i++) {
		for (uint32_t j = 0; j < i; j++) {
			if (!same_address(all[i].address, all[j].address))
				continue;
			ftp_error_set(err, EINVAL,
				"expected a port of its own, got %s, which %s has too",
				all[i].address, all[j].path);
			return ftp_config_refuse_entry(root, all[i].pattern, all[i].path, err);
		}
	}
	return 0;
}

int ftp_config_check(const struct ftp_config *c, struct ftp_yaml *root, struct ftp_error *err)
{
	int rc = check_numbers(c, root, err);

	if (!rc)
		rc = check_names(c, root, err);
	if (!rc)
		rc = check_ports(c, root, err);
	return rc;
}
