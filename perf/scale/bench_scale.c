/* usage: bench_scale SEEDS DEVICES...
 *
 * Plans for drawn clusters, and what the schedules make of them in virtual time. Devices have
 * capacities of 1 to 10 times this core's and network ports of 0.1 to 25 Gbit/s, pairs of them a
 * one-way latency of 50 us to 2 ms, all log-uniform; a seed's cluster of n devices is the first n
 * of its 64. Models: mobilenetv2 (imagenet strides) with unit times measured at the start, and one
 * of 60 drawn units. One JSON document a line for each model, schedule, seed and number.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/planner.h"
#include "kernels/team.h"
#include "runtime/base/clock.h"
#include "runtime/base/prng.h"
#include "runtime/profile.h"
#include "tests/runtime/virtual_pipeline.h"

#define MICRO_BATCH	    128
#define FLUSH_MICRO_BATCHES 16
#define REGION_BYTES	    ((size_t)4 << 30)
#define DRAWN_UNITS	    60
#define MAX_SEEDS	    1000

struct workload {
	const char *name;
	uint32_t n_units;
	struct ftp_planner_unit units[FTP_PLANNER_MAX_UNITS];
	struct ftp_planner_times times[FTP_PLANNER_MAX_UNITS]; /* at capacity 1 */
};

struct cluster {
	double capacity[FTP_PLANNER_MAX_NODES];
	struct ftp_planner_times times[FTP_PLANNER_MAX_NODES][FTP_PLANNER_MAX_UNITS];
	struct ftp_planner_node nodes[FTP_PLANNER_MAX_NODES];
	struct ftp_planner_link links[FTP_PLANNER_MAX_NODES * FTP_PLANNER_MAX_NODES];
};

static const struct {
	enum ftp_planner_schedule schedule;
	const char *name;
	uint32_t micro_batches;
} schedules[] = {
	{FTP_PLANNER_1F1B, "1f1b", 1},
	{FTP_PLANNER_FLUSH, "flush", FLUSH_MICRO_BATCHES},
};

static double log_uniform(uint64_t key, uint64_t index, double low, double high)
{
	return low * pow(high / low, ftp_prng_unit(key, index));
}

/* -ENOMEM and the like as ftp_profile_measure(). */
static int measure(struct workload *w, struct ftp_error *err)
{
	const struct ftp_model_spec spec = {.name = "mobilenetv2",
		.width = 1.0,
		.strides = FTP_STRIDES_IMAGENET,
		.activations = true};
	struct ftp_profile_spec how = {.stage = {.micro_batch = MICRO_BATCH,
					       .batch = MICRO_BATCH,
					       .n_versions = 1,
					       .threads = 1,
					       .impl = FTP_IMPL_ONEDNN,
					       .optimizer = {.momentum = 0.9f}},
		.slowdown = 1};
	static struct ftp_profile profile;
	struct ftp_model *model;
	int rc = ftp_model_new(&model, &spec, err);

	if (rc)
		return rc;
	how.stage.model = model;
	rc = ftp_region_new(&how.stage.region, REGION_BYTES, err);
	if (!rc) {
		rc = ftp_profile_measure(&profile, &how, err);
		ftp_region_free(how.stage.region);
	}
	w->name = "mobilenetv2";
	w->n_units = (uint32_t)model->n_units;
	for (uint32_t u = 0; u < w->n_units && !rc; u++) {
		w->times[u] = (struct ftp_planner_times){
			profile.forward_ns[u], profile.backward_ns[u], profile.update_ns[u]};
		w->units[u].input_bytes =
			ftp_model_cut_floats(model, (int)u, MICRO_BATCH) * sizeof(float);
	}
	ftp_model_free(model);
	return rc;
}

/* Like a convolutional net: cuts shrink from 32 MB to 1 MB; forward 5 to 20 ms, backward twice. */
static void draw_workload(struct workload *w)
{
	const uint64_t key = ftp_prng_key(0, FTP_PRNG_TEST, 0);

	w->name = "drawn60";
	w->n_units = DRAWN_UNITS;
	for (uint32_t u = 0; u < DRAWN_UNITS; u++) {
		double forward_ns = log_uniform(key, 2 * u, 5e6, 2e7);

		w->times[u] = (struct ftp_planner_times){(uint64_t)forward_ns,
			(uint64_t)(forward_ns * log_uniform(key, 2 * u + 1, 1.7, 2.3)),
			(uint64_t)(forward_ns * 0.02)};
		w->units[u].input_bytes = (uint64_t)(32e6 * pow(32, -(double)u / DRAWN_UNITS));
	}
}

static void draw_cluster(struct cluster *c, const struct workload *w, uint64_t seed, uint32_t n)
{
	const uint64_t key = ftp_prng_key(seed, FTP_PRNG_TEST, 1);
	const uint64_t pairs = ftp_prng_key(seed, FTP_PRNG_TEST, 2);
	double port[FTP_PLANNER_MAX_NODES]; /* bytes per second */

	for (uint32_t i = 0; i < n; i++) {
		c->capacity[i] = log_uniform(key, 2 * i, 1, 10);
		port[i] = log_uniform(key, 2 * i + 1, 0.1e9 / 8, 25e9 / 8);
		for (uint32_t u = 0; u < w->n_units; u++) {
			const struct ftp_planner_times *t = &w->times[u];
			double scale = 1 / c->capacity[i];

			c->times[i][u] = (struct ftp_planner_times){
				(uint64_t)((double)t->forward_ns * scale),
				(uint64_t)((double)t->backward_ns * scale),
				(uint64_t)((double)t->update_ns * scale)};
		}
		c->nodes[i] = (struct ftp_planner_node){
			.times = c->times[i], .memory_bytes = UINT64_C(1) << 40};
	}
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t k = 0; k < n; k++) {
			uint32_t low = i < k ? i : k, high = i < k ? k : i;
			uint64_t pair = low * FTP_PLANNER_MAX_NODES + high;

			c->links[i * n + k] = (struct ftp_planner_link){
				(uint64_t)log_uniform(pairs, pair, 50e3, 2e6),
				(uint64_t)fmin(port[i], port[k])};
		}
}

static uint64_t step_ns(
	const struct ftp_planner_problem *problem, const struct ftp_planner_plan *plan)
{
	const struct virtual_pipeline pipeline = virtual_pipeline_of(problem, plan);

	return virtual_pipeline_run(&pipeline).step_ns;
}

/* All devices in their order, units cut as if the devices were equal; 0: there are too few units.
 */
static uint64_t equal_step_ns(const struct ftp_planner_problem *problem, const struct workload *w)
{
	const struct ftp_planner_equal_problem equal = {.units = w->times,
		.n_units = w->n_units,
		.n_stages = problem->n_nodes,
		.micro_batches = problem->micro_batches};
	struct ftp_planner_equal_answer answer;
	struct ftp_planner_plan plan;
	struct ftp_error err;

	if (ftp_planner_equal(&equal, &answer, &err))
		return 0;
	plan.n_stages = answer.n_stages;
	memcpy(plan.first_unit, answer.first_unit, sizeof(plan.first_unit));
	for (uint32_t s = 0; s < plan.n_stages; s++)
		plan.node[s] = s;
	return step_ns(problem, &plan);
}

static int run(const struct workload *w, size_t schedule, uint64_t seed, uint32_t n)
{
	static struct cluster c;
	const struct ftp_planner_problem problem = {.units = w->units,
		.n_units = w->n_units,
		.nodes = c.nodes,
		.n_nodes = n,
		.first = 1,
		.links = c.links,
		.schedule = schedules[schedule].schedule,
		.micro_batches = schedules[schedule].micro_batches};
	struct ftp_planner_answer answer;
	double single_ns = 0, capacity = 0;
	uint64_t start_ns;
	struct ftp_error err;

	draw_cluster(&c, w, seed, n);
	start_ns = ftp_clock_now_ns();
	if (ftp_planner_best(&problem, &answer, &err)) {
		fprintf(stderr, "bench_scale: %s\n", err.text);
		return -1;
	}
	start_ns = ftp_clock_now_ns() - start_ns;
	for (uint32_t u = 0; u < w->n_units; u++)
		single_ns += (double)(w->times[u].forward_ns + w->times[u].backward_ns) *
				     problem.micro_batches +
			     (double)w->times[u].update_ns;
	for (uint32_t i = 0; i < n; i++)
		capacity += c.capacity[i];
	printf("{\"model\": \"%s\", \"schedule\": \"%s\", \"seed\": %llu, \"devices\": %u, "
	       "\"stages\": %u, \"capacity\": %.6g, \"single_ns\": %.0f, \"predicted_ns\": %llu, "
	       "\"virtual_ns\": %llu, \"equal_ns\": %llu, \"plan_ns\": %llu, \"exact\": %s}\n",
		w->name, schedules[schedule].name, (unsigned long long)seed, n,
		answer.plan.n_stages, capacity, single_ns, (unsigned long long)answer.step_ns,
		(unsigned long long)step_ns(&problem, &answer.plan),
		(unsigned long long)equal_step_ns(&problem, w), (unsigned long long)start_ns,
		answer.exact ? "true" : "false");
	fflush(stdout);
	return 0;
}

static int run_all(const struct workload *w, uint64_t n_seeds, char **devices, int n_devices)
{
	for (size_t s = 0; s < sizeof(schedules) / sizeof(schedules[0]); s++)
		for (uint64_t seed = 1; seed <= n_seeds; seed++)
			for (int i = 0; i < n_devices; i++) {
				unsigned long n = strtoul(devices[i], NULL, 10);

				if (n < 1 || n > FTP_PLANNER_MAX_NODES ||
					run(w, s, seed, (uint32_t)n))
					return -1;
			}
	return 0;
}

int main(int argc, char **argv)
{
	static struct workload measured, drawn;
	uint64_t n_seeds = argc > 2 ? strtoull(argv[1], NULL, 10) : 0;
	struct ftp_error err;

	if (n_seeds < 1 || n_seeds > MAX_SEEDS) {
		fprintf(stderr, "usage: bench_scale SEEDS DEVICES...\n");
		return 2;
	}
	ftp_team_set(1);
	if (measure(&measured, &err)) {
		fprintf(stderr, "bench_scale: %s\n", err.text);
		return 1;
	}
	draw_workload(&drawn);
	if (run_all(&measured, n_seeds, argv + 2, argc - 2) ||
		run_all(&drawn, n_seeds, argv + 2, argc - 2))
		return 1;
	return 0;
}
