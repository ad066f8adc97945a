/* The configuration against the model it names. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ctl/config_model.h"
#include "ctl/config_schema.h"
#include "ctl/cuts.h"

struct ftp_model_spec ftp_config_model_spec(const struct ftp_config *c)
{
	static const enum ftp_strides strides[] = {
		[FTP_CONFIG_CIFAR] = FTP_STRIDES_CIFAR,
		[FTP_CONFIG_IMAGENET] = FTP_STRIDES_IMAGENET,
	};

	return (struct ftp_model_spec){.name = c->training.model,
		.width = c->training.width,
		.strides = strides[c->training.strides],
		.activations = true};
}

static int check_cuts(const struct ftp_config *c, const struct ftp_model *m, struct ftp_yaml *root,
	struct ftp_error *err)
{
	uint32_t cuts[FTP_CONFIG_MAX_NODES], n_cuts, n_units = (uint32_t)m->n_units;
	int rc;

	if (c->n_nodes > n_units) {
		ftp_error_set(err, EINVAL,
			"expected at most %u nodes, as %s has %u units, got %u; remove nodes",
			n_units, m->name, n_units, c->n_nodes);
		return ftp_config_refuse(root, "nodes", err);
	}
	if (ftp_cuts_measured(c->training.cuts))
		return 0;
	rc = ftp_cuts_parse(c->training.cuts, cuts, FTP_CONFIG_MAX_NODES - 1, &n_cuts, err);
	if (!rc)
		rc = ftp_cuts_check(cuts, n_cuts, n_units, c->n_nodes, err);
	return rc ? ftp_config_refuse(root, "training.cuts", err) : 0;
}

static int check_name(const char *name, struct ftp_yaml *root, struct ftp_error *err)
{
	char names[256] = "";
	size_t n = 0;

	for (const char *const *known = ftp_model_names; *known && n < sizeof(names); known++) {
		if (!strcmp(*known, name))
			return 0;
		n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", n ? ", " : "", *known);
	}
	ftp_error_set(err, EINVAL, "expected one of %s, got '%s'", names, name);
	return ftp_config_refuse(root, "training.model", err);
}

int ftp_config_model_check(const struct ftp_config *c, struct ftp_yaml *root, struct ftp_error *err)
{
	const struct ftp_model_spec spec = ftp_config_model_spec(c);
	struct ftp_model *model;
	int rc = check_name(spec.name, root, err);

	if (rc)
		return rc;
	rc = ftp_model_new(&model, &spec, err);
	if (rc)
		return ftp_config_refuse(root, "training.model", err);
	rc = check_cuts(c, model, root, err);
	ftp_model_free(model);
	return rc;
}
