#include "ctl/planner_json.h"

static const char *const bottleneck_names[] = {
	[FTP_BOTTLENECK_STAGE] = "stage",
	[FTP_BOTTLENECK_LINK] = "link",
	[FTP_BOTTLENECK_PATH] = "path",
};

static double seconds(uint64_t ns)
{
	return (double)ns / 1e9;
}

static json_t *seconds_if(uint64_t ns)
{
	return ns ? json_real(seconds(ns)) : json_null();
}

static json_t *stages_of(const struct ftp_planner_answer *a, const char *const *names)
{
	json_t *stages = json_array();

	for (uint32_t s = 0; s < a->plan.n_stages; s++)
		json_array_append_new(stages,
			json_pack("{s:i, s:s, s:i, s:i, s:f, s:f, s:I, s:I}", "stage", (int)s,
				"node", names[a->plan.node[s]], "first_unit",
				(int)a->plan.first_unit[s], "end_unit",
				(int)a->plan.first_unit[s + 1], "compute_seconds",
				seconds(a->stage_ns[s]), "share",
				a->step_ns ? (double)a->stage_ns[s] / (double)a->step_ns : 0,
				"memory_bytes", (json_int_t)a->stage_bytes[s], "limit_bytes",
				(json_int_t)a->limit_bytes[s]));
	return stages;
}

static json_t *cuts_of(const struct ftp_planner_answer *a, const char *const *names)
{
	json_t *cuts = json_array();

	for (uint32_t s = 1; s < a->plan.n_stages; s++)
		json_array_append_new(cuts,
			json_pack("{s:i, s:s, s:s, s:o, s:o}", "unit", (int)a->plan.first_unit[s],
				"from", names[a->plan.node[s - 1]], "to", names[a->plan.node[s]],
				"earlier_step_seconds", seconds_if(a->earlier_ns[s]),
				"later_step_seconds", seconds_if(a->later_ns[s])));
	return cuts;
}

static json_t *absorbs_of(
	const struct ftp_planner_answer *a, const char *const *names, uint32_t n_nodes)
{
	json_t *absorbs = json_object();

	for (uint32_t v = 0; v < n_nodes; v++)
		json_object_set_new(absorbs, names[v], json_boolean(a->absorbs >> v & 1));
	return absorbs;
}

json_t *ftp_planner_json(const struct ftp_planner_answer *a, const char *const *names,
	uint32_t n_nodes, uint32_t batch)
{
	uint32_t index = a->bottleneck_index - (a->bottleneck == FTP_BOTTLENECK_LINK ? 1 : 0);

	return json_pack("{s:b, s:f, s:f, s:I, s:{s:s, s:i}, s:o, s:o, s:o}", "exact", a->exact,
		"step_seconds", seconds(a->step_ns), "samples_per_second",
		a->step_ns ? batch / seconds(a->step_ns) : 0, "move_bytes",
		(json_int_t)a->move_bytes, "bottleneck", "kind", bottleneck_names[a->bottleneck],
		"index", (int)index, "stages", stages_of(a, names), "cuts", cuts_of(a, names),
		"absorbs", absorbs_of(a, names, n_nodes));
}
