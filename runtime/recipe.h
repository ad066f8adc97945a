/* Recipe: what the configuration says of model and training, in the words of the kernels. Pure. */
#ifndef FTP_RUNTIME_RECIPE_H
#define FTP_RUNTIME_RECIPE_H

#include "ctl/config.h"
#include "kernels/stage.h"
#include "runtime/feed.h"

/* By its name in the plan, before any stage is built. -EINVAL, and what ftp_isa_cap() gives. */
int ftp_recipe_use_isa(const char *name, struct ftp_error *err);

struct ftp_lr_spec ftp_recipe_lr(const struct ftp_config *c);
uint32_t ftp_recipe_micro_batch(const struct ftp_config *c); /* samples */

/* Units and slots are the plan's: left 0. */
struct ftp_stage_spec ftp_recipe_stage(
	const struct ftp_config *c, const struct ftp_model *model, struct ftp_region *region);

struct ftp_feed_spec ftp_recipe_feed(const struct ftp_config *c, const struct ftp_model *model,
	const struct ftp_dataset *dataset);

/* Step-0 state of the stage's units, from the seed. */
void ftp_recipe_initialise(struct ftp_stage *stage, const struct ftp_model *model, int first_unit,
	int end_unit, uint64_t seed);

#endif
