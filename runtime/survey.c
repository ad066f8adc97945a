#include "runtime/survey.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/profile.h"
#include "runtime/recipe.h"

struct ftp_outcome ftp_survey_units(const struct ftp_survey_spec *spec, const char *isa)
{
	const struct ftp_worker_params *params = spec->params;
	struct ftp_profile_spec profile = {
		.stage = ftp_recipe_stage(params->config, params->model, params->region),
		.slowdown = spec->slowdown,
		.stop = spec->stop};
	struct ftp_outcome o = {
		.kind = FTP_OUTCOME_PROFILED, .profile = calloc(1, sizeof(*o.profile))};
	struct ftp_error err;

	ftp_assert(o.profile);
	if (params->config->training.schedule == FTP_SCHEDULE_1F1B)
		profile.stage.n_versions = 2; /* an update out of place, as in training */
	if (ftp_recipe_use_isa(isa, &err) || ftp_profile_measure(o.profile, &profile, &err))
		o.text = strdup(err.text);
	else
		ftp_node_metrics_profile(params->metrics, o.profile);
	return o;
}

struct ftp_outcome ftp_survey_links(const struct ftp_survey_spec *spec, struct ftp_probe *probe)
{
	const struct ftp_worker_params *params = spec->params;
	const struct ftp_prober_spec prober = {.config = params->config,
		.probe = probe,
		.node = params->node,
		.net_core = params->net_core,
		.waker = spec->waker,
		.impair = spec->impair,
		.is_drill = params->is_drill,
		.stop = spec->stop};
	struct ftp_outcome o = {.kind = FTP_OUTCOME_PROBED, .links = calloc(1, sizeof(*o.links))};
	struct ftp_error err;

	ftp_assert(o.links);
	if (ftp_prober_measure(o.links, &prober, &err))
		o.text = strdup(err.text);
	else
		ftp_node_metrics_probe(params->metrics, params->config, o.links);
	free(probe);
	return o;
}
