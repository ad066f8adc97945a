#include "kernels/model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/layout.h"
#include "kernels/model_builder.h"
#include "runtime/base/prng.h"

#define MAX_WIDTH 4.0

const char *const ftp_model_names[] = {"mlp", "lenet5", "mobilenetv2", NULL};

static struct ftp_model *(*const builds[])(const struct ftp_model_spec *spec) = {
	ftp_mlp_build,
	ftp_lenet5_build,
	ftp_mobilenetv2_build,
};

int ftp_model_new(struct ftp_model **out, const struct ftp_model_spec *spec, struct ftp_error *err)
{
	char names[128] = "";
	size_t at = 0;

	*out = NULL;
	if (!(spec->width > 0 && spec->width <= MAX_WIDTH))
		return ftp_error_set(err, EINVAL,
			"training.width: %g is out of range, expected above 0 and at most %g",
			spec->width, MAX_WIDTH);
	for (int i = 0; ftp_model_names[i]; i++) {
		if (spec->name && !strcmp(spec->name, ftp_model_names[i])) {
			*out = builds[i](spec);
			/* The caller's string need not outlive this call. */
			(*out)->spec.name = ftp_model_names[i];
			return 0;
		}
		at += (size_t)snprintf(
			names + at, sizeof(names) - at, "%s%s", i ? ", " : "", ftp_model_names[i]);
	}
	return ftp_error_set(err, EINVAL, "training.model: \"%s\" is unknown, expected one of %s",
		spec->name ? spec->name : "", names);
}

void ftp_model_free(struct ftp_model *m)
{
	if (!m)
		return;
	for (int i = 0; i < m->n_units; i++) {
		free((void *)m->units[i].layers);
		free((void *)m->units[i].tensors);
	}
	free((void *)m->units);
	free(m);
}

size_t ftp_model_cut_floats(const struct ftp_model *m, int cut, int n)
{
	ftp_assert(cut >= 0 && cut < m->n_units && n > 0);
	return ftp_layout_floats(m->units[cut].src, n, cut == 0);
}

void ftp_model_init_unit(const struct ftp_model *m, int unit, uint64_t seed, void *state)
{
	const struct ftp_unit *u = &m->units[unit];

	memset(state, 0, u->state_bytes);
	for (int i = 0; i < u->n_tensors; i++) {
		const struct ftp_tensor *t = &u->tensors[i];
		uint64_t key =
			ftp_prng_key(seed, FTP_PRNG_INIT, ((uint64_t)unit << 16) | (uint64_t)i);
		float *x = (float *)((char *)state + t->offset_bytes);

		for (size_t k = 0; k < t->n_elements; k++)
			x[k] = (float)(t->init_std > 0
					       ? t->init_mean +
							 t->init_std * ftp_prng_normal(key, k)
					       : t->init_mean);
	}
}
