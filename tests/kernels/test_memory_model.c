/* What is planned, what the formula says, and what a stage really takes. */
#include "tests/base/check.h"

#include <string.h>

#include "kernels/memory_model.h"
#include "kernels/team.h"
#include "tests/kernels/net.h"

#define MAX_UNITS 20
/* Of a stage, where scratch is estimated. */
#define TOO_LITTLE 0.002
#define TOO_MUCH   0.01

static struct ftp_stage_spec spec_of(const struct ftp_model *m, int micro_batch)
{
	return (struct ftp_stage_spec){.model = m,
		.micro_batch = micro_batch,
		.batch = micro_batch,
		.threads = ftp_team_size(),
		.impl = FTP_IMPL_ONEDNN};
}

static size_t planned(const struct ftp_stage_spec *given, int first, int end, int n_slots,
	int n_versions, struct ftp_stage_memory *m)
{
	struct ftp_stage_spec spec = *given;
	struct ftp_error err = {""};

	spec.first_unit = first;
	spec.end_unit = end;
	spec.n_slots = n_slots;
	spec.n_versions = n_versions;
	if (ftp_stage_memory_of(&spec, m, &err))
		fail_msg("%s", err.text);
	return ftp_stage_memory_bytes(m);
}

static void expect_formula(struct ftp_model *m, int micro_batch)
{
	const struct ftp_stage_spec spec = spec_of(m, micro_batch);
	struct ftp_memory_unit units[MAX_UNITS];
	double low = 0, high = 0;

	assert_true(m->n_units <= MAX_UNITS);
	assert_int_equal(ftp_memory_model_measure(&spec, units, NULL), 0);
	assert_int_equal(units[m->n_units - 1].shared_bytes, 0);
	for (int i = 0; i < m->n_units; i++)
		for (int j = i + 1; j <= m->n_units; j++)
			for (int k = 1; k <= 4; k++) {
				struct ftp_stage_memory memory;
				size_t real = planned(&spec, i, j, k + 1, k, &memory);
				size_t said = ftp_memory_model_stage_bytes(units, i, j, k + 1, k);
				double error = (double)said / (double)real - 1;

				if (j - i <= FTP_MEMORY_MODEL_RUN)
					assert_int_equal(said, real);
				low = error < low ? error : low;
				high = error > high ? error : high;
			}
	printf("%s, batch %d: formula off by %+.2f%% to %+.2f%%\n", m->name, micro_batch, 100 * low,
		100 * high);
	assert_true(low > -TOO_LITTLE && high < TOO_MUCH);
	ftp_model_free(m);
}

static void stage_bytes__is_what_is_planned(void **state)
{
	(void)state;
	expect_formula(model_of("mlp", 1, FTP_STRIDES_CIFAR, true), 64);
	expect_formula(model_of("lenet5", 1, FTP_STRIDES_CIFAR, true), 8);
	expect_formula(model_of("lenet5", 1, FTP_STRIDES_CIFAR, true), 64);
	expect_formula(model_of("mobilenetv2", 1, FTP_STRIDES_CIFAR, true), 128);
	expect_formula(model_of("mobilenetv2", 1, FTP_STRIDES_IMAGENET, true), 128);
	expect_formula(model_of("mobilenetv2", 0.25, FTP_STRIDES_IMAGENET, true), 16);
}

static void expect_built(const struct ftp_stage_spec *given, int first, int end)
{
	struct ftp_stage_spec spec = *given;
	struct ftp_stage_memory said, built;
	struct ftp_error err = {""};
	struct ftp_stage *s;

	assert_int_equal(ftp_region_new(&spec.region, (size_t)4 << 30, NULL), 0);
	spec.first_unit = first;
	spec.end_unit = end;
	spec.n_slots = 3;
	spec.n_versions = 2;
	planned(given, first, end, spec.n_slots, spec.n_versions, &said);
	if (ftp_stage_new(&s, &spec, &err))
		fail_msg("%s", err.text);
	built = ftp_stage_memory(s);
	assert_memory_equal(&said, &built, sizeof(said));
	assert_int_equal(ftp_stage_memory_bytes(&said), ftp_region_used_bytes(spec.region));
	ftp_stage_free(s);
	ftp_region_free(spec.region);
}

static void memory_of__is_what_a_built_stage_takes(void **state)
{
	struct ftp_model *m = model_of("lenet5", 1, FTP_STRIDES_CIFAR, true);
	struct ftp_stage_spec spec = spec_of(m, 64);

	(void)state;
	for (int i = 0; i < m->n_units; i++)
		for (int j = i + 1; j <= m->n_units; j++)
			expect_built(&spec, i, j);
	ftp_model_free(m);
	m = model_of("mobilenetv2", 1, FTP_STRIDES_IMAGENET, true);
	spec = spec_of(m, 128);
	for (int i = 0; i < m->n_units; i += 3) {
		expect_built(&spec, i, i + 1);
		expect_built(&spec, i, m->n_units);
		expect_built(&spec, 0, i + 2);
	}
	ftp_model_free(m);
	m = model_of("mlp", 1, FTP_STRIDES_CIFAR, true);
	spec = spec_of(m, 16);
	spec.impl = FTP_IMPL_REFERENCE;
	expect_built(&spec, 0, m->n_units);
	ftp_model_free(m);
}

static void memory_of__refuses_what_new_refuses(void **state)
{
	struct ftp_model *m = model_of("mlp", 1, FTP_STRIDES_CIFAR, true);
	struct ftp_stage_spec spec = spec_of(m, 4);
	struct ftp_stage_memory memory;
	struct ftp_error err = {""};

	(void)state;
	spec.end_unit = m->n_units + 1;
	assert_true(ftp_stage_memory_of(&spec, &memory, &err) < 0);
	assert_non_null(strstr(err.text, "units"));
	ftp_model_free(m);
}

static int set_up(void **state)
{
	(void)state;
	return ftp_isa_cap(TEST_ISA, NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(stage_bytes__is_what_is_planned),
		cmocka_unit_test(memory_of__is_what_a_built_stage_takes),
		cmocka_unit_test(memory_of__refuses_what_new_refuses),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
