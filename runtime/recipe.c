#include "runtime/recipe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/isa.h"

int ftp_recipe_use_isa(const char *name, struct ftp_error *err)
{
	for (enum ftp_isa isa = FTP_ISA_SSE41; isa <= FTP_ISA_AVX512; isa++)
		if (!strcmp(name, ftp_isa_name(isa)))
			return ftp_isa_cap(isa, err);
	return ftp_error_set(err, EINVAL, "unknown instruction set '%s'", name);
}

struct ftp_lr_spec ftp_recipe_lr(const struct ftp_config *c)
{
	static const enum ftp_lr_kind kinds[] = {
		[FTP_CONFIG_LR_CONSTANT] = FTP_LR_CONSTANT,
		[FTP_CONFIG_LR_STEP] = FTP_LR_STEP,
		[FTP_CONFIG_LR_COSINE] = FTP_LR_COSINE,
	};

	return (struct ftp_lr_spec){.kind = kinds[c->training.lr.kind],
		.base = c->training.lr.base,
		.warmup = c->training.lr.warmup,
		.step_every = c->training.lr.step_every,
		.gamma = c->training.lr.gamma,
		.final = c->training.lr.final};
}

uint32_t ftp_recipe_micro_batch(const struct ftp_config *c)
{
	return c->training.batch / c->training.micro_batches;
}

struct ftp_stage_spec ftp_recipe_stage(
	const struct ftp_config *c, const struct ftp_model *model, struct ftp_region *region)
{
	return (struct ftp_stage_spec){.model = model,
		.micro_batch = (int)ftp_recipe_micro_batch(c),
		.batch = (int)c->training.batch,
		.n_versions = 1,
		.threads = (int)c->training.threads,
		.impl = FTP_IMPL_ONEDNN,
		.optimizer = {.kind = FTP_OPTIMIZER_SGD,
			.momentum = (float)c->training.optimizer.momentum,
			.weight_decay = (float)c->training.optimizer.weight_decay,
			.nesterov = c->training.optimizer.nesterov},
		.region = region};
}

struct ftp_feed_spec ftp_recipe_feed(const struct ftp_config *c, const struct ftp_model *model,
	const struct ftp_dataset *dataset)
{
	return (struct ftp_feed_spec){.dataset = dataset,
		.src = model->src,
		.batch = c->training.batch,
		.micro_batch = ftp_recipe_micro_batch(c),
		.seed = c->training.seed,
		.augment = c->training.dataset.augment};
}

void ftp_recipe_initialise(struct ftp_stage *stage, const struct ftp_model *model, int first_unit,
	int end_unit, uint64_t seed)
{
	for (int u = first_unit; u < end_unit; u++) {
		void *state = aligned_alloc(64, model->units[u].state_bytes + 64);

		ftp_assert(state);
		ftp_model_init_unit(model, u, seed, state);
		ftp_stage_import(stage, u, state);
		free(state);
	}
}
