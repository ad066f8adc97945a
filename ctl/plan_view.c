#include "ctl/plan_view.h"

#include <string.h>

#include "ctl/document.h"

static const char *stage_node(const json_t *plan, json_int_t stage)
{
	const json_t *stages = json_object_get(plan, "stages");

	if (stage < 0 || (size_t)stage >= json_array_size(stages))
		return "?";
	return ftp_document_text(json_array_get(stages, (size_t)stage), "node");
}

static void print_stages(FILE *f, const json_t *stages)
{
	fprintf(f, "%5s %-12s %-9s %12s %7s %11s %11s\n", "stage", "node", "units", "compute ms",
		"share", "memory MB", "limit MB");
	for (size_t i = 0; i < json_array_size(stages); i++) {
		const json_t *s = json_array_get(stages, i);
		char units[48];

		snprintf(units, sizeof(units), "%lld-%lld",
			(long long)ftp_document_integer(s, "first_unit"),
			(long long)ftp_document_integer(s, "end_unit") - 1);
		fprintf(f, "%5lld %-12.32s %-9s %12.1f %5.0f %% %11.1f %11.1f\n",
			(long long)ftp_document_integer(s, "stage"), ftp_document_text(s, "node"),
			units, ftp_document_number_or_0(s, "compute_seconds") * 1e3,
			ftp_document_number_or_0(s, "share") * 100,
			ftp_document_number_or_0(s, "memory_bytes") / 1e6,
			ftp_document_number_or_0(s, "limit_bytes") / 1e6);
	}
}

static void print_bottleneck(FILE *f, const json_t *plan)
{
	const json_t *b = json_object_get(plan, "bottleneck");
	const char *kind = ftp_document_text(b, "kind");
	json_int_t index = ftp_document_integer(b, "index");

	if (!strcmp(kind, "stage"))
		fprintf(f, "; %s's compute fills it", stage_node(plan, index));
	else if (!strcmp(kind, "link"))
		fprintf(f, "; the link from %s to %s fills it", stage_node(plan, index),
			stage_node(plan, index + 1));
	else if (!strcmp(kind, "path"))
		fprintf(f, "; the way through the stages from %s on bounds it",
			stage_node(plan, index));
}

static void print_neighbour(
	FILE *f, const json_t *cut, const char *key, const char *name, double step_s)
{
	double s;

	if (!ftp_document_number(cut, key, &s))
		fprintf(f, "one unit %s: impossible", name);
	else
		fprintf(f, "one unit %s: %.1f ms (%+.1f %%)", name, s * 1e3,
			step_s > 0 ? 100 * (s / step_s - 1) : 0);
}

static void print_cuts(FILE *f, const json_t *plan, double step_s)
{
	const json_t *cuts = json_object_get(plan, "cuts");

	for (size_t i = 0; i < json_array_size(cuts); i++) {
		const json_t *c = json_array_get(cuts, i);

		fprintf(f, "cut before unit %lld, %s to %s: ",
			(long long)ftp_document_integer(c, "unit"), ftp_document_text(c, "from"),
			ftp_document_text(c, "to"));
		print_neighbour(f, c, "earlier_step_seconds", "earlier", step_s);
		fputs(", ", f);
		print_neighbour(f, c, "later_step_seconds", "later", step_s);
		fputc('\n', f);
	}
}

static void print_absorbs(FILE *f, const json_t *plan)
{
	const char *before = "could go on without any one of: ", *name;
	json_t *absorbs = json_object_get(plan, "absorbs"), *can;

	json_object_foreach (absorbs, name, can) {
		if (!json_is_true(can))
			continue;
		fprintf(f, "%s%s", before, name);
		before = ", ";
	}
	fprintf(f, "%s\n", *before == ',' ? "" : "could go on without none of the nodes");
}

static void print_plan(FILE *f, const json_t *plan)
{
	double step_s = ftp_document_number_or_0(plan, "step_seconds");

	print_stages(f, json_object_get(plan, "stages"));
	fprintf(f, "step %.1f ms, %.0f samples/s", step_s * 1e3,
		ftp_document_number_or_0(plan, "samples_per_second"));
	print_bottleneck(f, plan);
	fputc('\n', f);
	print_cuts(f, plan, step_s);
	print_absorbs(f, plan);
}

static void print_search(FILE *f, const json_t *plan)
{
	fprintf(f, "%s; %.1f MB to move\n",
		json_is_true(json_object_get(plan, "exact"))
			? "no plan of these nodes is better"
			: "the best plan that a bounded search found",
		ftp_document_number_or_0(plan, "move_bytes") / 1e6);
}

void ftp_plan_view_best(FILE *f, const json_t *plan)
{
	print_plan(f, plan);
	print_search(f, plan);
}

void ftp_plan_view_live(FILE *f, const json_t *answer)
{
	const json_t *now = json_object_get(answer, "in_force");
	const json_t *best = json_object_get(answer, "best");
	double measured_s, gain;

	if (json_is_object(now)) {
		fputs("in force\n", f);
		print_plan(f, now);
		if (ftp_document_number(now, "measured_step_seconds", &measured_s) ||
			ftp_document_number(answer, "measured_step_seconds", &measured_s))
			fprintf(f, "measured: %.1f ms a step\n", measured_s * 1e3);
	}
	if (json_is_object(best) && !json_equal((json_t *)json_object_get(now, "stages"),
					    (json_t *)json_object_get(best, "stages"))) {
		fputs("\nbest\n", f);
		ftp_plan_view_best(f, best);
	}
	if (ftp_document_number(answer, "gain", &gain))
		fprintf(f, "\ngain %.1f %%; would repartition: %s", gain * 100,
			json_is_true(json_object_get(answer, "would_repartition")) ? "yes" : "no");
	if (ftp_document_text(answer, "why")[0])
		fprintf(f, ": %s", ftp_document_text(answer, "why"));
	fputc('\n', f);
}

static double value_ms(const json_t *profile, const char *key, size_t unit)
{
	return json_number_value(json_array_get(json_object_get(profile, key), unit)) / 1e6;
}

static double unit_ms(const json_t *profile, size_t unit)
{
	return value_ms(profile, "forward_ns", unit) + value_ms(profile, "backward_ns", unit);
}

static size_t count_units(const json_t *profile)
{
	return json_array_size(json_object_get(profile, "forward_ns"));
}

static double all_ms(const json_t *profile)
{
	double all = 0;

	for (size_t u = 0; u < count_units(profile); u++)
		all += unit_ms(profile, u);
	return all;
}

static const char *unit_name(const struct ftp_model *model, size_t unit)
{
	return model && unit < (size_t)model->n_units ? model->units[unit].name : "";
}

static void print_one(FILE *f, const json_t *p, const struct ftp_model *model)
{
	static const char *const memory[] = {"version_bytes", "fixed_bytes", "slot_bytes"};
	double all = all_ms(p);

	fprintf(f, "%s\n%4s %-16s %11s %11s %9s %9s %7s %9s\n", ftp_document_text(p, "node"),
		"unit", "name", "forward ms", "backward ms", "update ms", "+- ms", "share", "MB");
	for (size_t u = 0; u < count_units(p); u++) {
		double mb = 0;

		for (size_t i = 0; i < sizeof(memory) / sizeof(*memory); i++)
			mb += value_ms(p, memory[i], u); /* a millionth of bytes */
		fprintf(f, "%4zu %-16.31s %11.3f %11.3f %9.3f %9.3f %5.1f %% %9.2f\n", u,
			unit_name(model, u), value_ms(p, "forward_ns", u),
			value_ms(p, "backward_ns", u), value_ms(p, "update_ns", u),
			value_ms(p, "mad_ns", u), all > 0 ? 100 * unit_ms(p, u) / all : 0, mb);
	}
	fprintf(f, "one micro-batch, forward and backward: %.2f ms\n", all);
}

/* Forward and backward of each node, and the unit's share of the first one's. */
static void print_many(FILE *f, const json_t *nodes, const struct ftp_model *model)
{
	const json_t *first = json_array_get(nodes, 0);
	double all = all_ms(first);
	size_t n = json_array_size(nodes);

	fprintf(f, "%4s %-16s %7s", "unit", "name", "share");
	for (size_t i = 0; i < n; i++)
		fprintf(f, " %9.9s", ftp_document_text(json_array_get(nodes, i), "node"));
	fputc('\n', f);
	for (size_t u = 0; u < count_units(first); u++) {
		fprintf(f, "%4zu %-16.31s %5.1f %%", u, unit_name(model, u),
			all > 0 ? 100 * unit_ms(first, u) / all : 0);
		for (size_t i = 0; i < n; i++)
			fprintf(f, " %9.3f", unit_ms(json_array_get(nodes, i), u));
		fputc('\n', f);
	}
	fprintf(f, "%-21s %7s", "all, ms a micro-batch", "");
	for (size_t i = 0; i < n; i++)
		fprintf(f, " %9.2f", all_ms(json_array_get(nodes, i)));
	fputc('\n', f);
}

static void print_links(FILE *f, const json_t *links)
{
	for (size_t i = 0; i < json_array_size(links); i++) {
		const json_t *l = json_array_get(links, i), *peers = json_object_get(l, "peer");

		for (size_t k = 0; k < json_array_size(peers); k++) {
			const char *peer = json_string_value(json_array_get(peers, k));

			fprintf(f, "link %s to %s: round trip %.0f us, %.0f MB/s\n",
				ftp_document_text(l, "node"), peer ? peer : "?",
				value_ms(l, "rtt_ns", k) * 1e3, value_ms(l, "bytes_per_s", k));
		}
	}
}

void ftp_plan_view_profile(
	FILE *f, const json_t *measured, const char *node, const struct ftp_model *model)
{
	const json_t *nodes = json_object_get(measured, "nodes");

	fprintf(f, "%s\n", ftp_document_text(measured, "source"));
	if (node)
		print_one(f, ftp_document_find(nodes, "node", node), model);
	else if (json_array_size(nodes) == 1)
		print_one(f, json_array_get(nodes, 0), model);
	else
		print_many(f, nodes, model);
	if (!node)
		print_links(f, json_object_get(measured, "links"));
}
