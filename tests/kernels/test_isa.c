/* The cap holds for the whole process: one order of cases. */
#include "tests/base/check.h"

#include <errno.h>
#include <string.h>

#include "kernels/isa.h"
#include "kernels/model_builder.h"
#include "kernels/team.h"
#include "tests/kernels/net.h"
#include "tests/kernels/shapes.h"

static void check_openmp__refuses(void **state)
{
	static const char *const names[] = {
		"OMP_DYNAMIC", "OMP_THREAD_LIMIT", "OMP_PROC_BIND", "OMP_PLACES"};
	struct ftp_error err;

	(void)state;
	assert_int_equal(ftp_isa_check_openmp(&err), 0);
	for (int i = 0; i < 4; i++) {
		setenv(names[i], "1", 1);
		assert_int_equal(ftp_isa_check_openmp(&err), -EINVAL);
		assert_non_null(strstr(err.text, names[i]));
		unsetenv(names[i]);
	}
}

static void team__size(void **state)
{
	(void)state;
	ftp_team_set(2);
	assert_int_equal(ftp_team_size(), 2);
	ftp_team_set(1);
	assert_int_equal(ftp_team_size(), 1);
}

static int stage_of(struct ftp_model *m, int first_unit, struct ftp_error *err)
{
	struct ftp_stage_spec spec = {.model = m,
		.first_unit = first_unit,
		.end_unit = m->n_units,
		.micro_batch = 2,
		.batch = 2,
		.n_slots = 1,
		.n_versions = 1,
		.threads = 1};
	struct ftp_stage *s;
	int code;

	assert_int_equal(ftp_region_new(&spec.region, (size_t)1 << 28, NULL), 0);
	code = ftp_stage_new(&s, &spec, err);
	assert_true(!code == !!s);
	ftp_stage_free(s);
	ftp_region_free(spec.region);
	ftp_model_free(m);
	return code;
}

static struct ftp_model *depthwise_5x5(void)
{
	static const struct ftp_model_spec spec = {"row", 1, FTP_STRIDES_CIFAR, true};
	struct ftp_model_builder *b = ftp_model_builder_begin(
		"row", &spec, (struct ftp_shape){16, 9, 9}, FTP_INIT_FAN_IN);

	ftp_model_builder_unit(b, "first");
	ftp_model_builder_add(b, "", &(struct ftp_layer)PLAIN(FTP_LAYER_RELU));
	ftp_model_builder_unit(b, "second");
	ftp_model_builder_add(b, "wide", &(struct ftp_layer)CONV(5, 1, 2, 16, false, 16));
	return ftp_model_builder_end(b);
}

/* Our layout is made for AVX512. Below it, what only oneDNN's reference code could do is refused,
 * not run a hundred times slower. */
static void cap__below_avx512(void **state)
{
	struct ftp_error err = {""};

	(void)state;
	if (ftp_isa_detect() < FTP_ISA_AVX2)
		skip();
	assert_int_equal(ftp_isa_current(), ftp_isa_detect());
	assert_int_equal(ftp_isa_cap(FTP_ISA_AVX2, &err), 0);
	assert_int_equal(ftp_isa_current(), FTP_ISA_AVX2);
	assert_int_equal(stage_of(model_of("mlp", 1, FTP_STRIDES_CIFAR, true), 0, &err), 0);
	assert_int_equal(stage_of(model_of("lenet5", 1, FTP_STRIDES_CIFAR, true), 0, &err), 0);
	assert_int_equal(stage_of(depthwise_5x5(), 1, &err), -ENOTSUP);
	assert_non_null(strstr(err.text, "second.wide"));
	assert_non_null(strstr(err.text, "avx2"));
}

static void cap__is_set_once(void **state)
{
	struct ftp_error err;

	(void)state;
	if (ftp_isa_detect() < FTP_ISA_AVX2)
		skip();
	assert_int_equal(ftp_isa_cap(FTP_ISA_AVX2, &err), 0);
	assert_true(ftp_isa_cap(FTP_ISA_SSE41, &err) < 0);
	assert_int_equal(ftp_isa_current(), FTP_ISA_AVX2);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(check_openmp__refuses),
		cmocka_unit_test(team__size),
		cmocka_unit_test(cap__below_avx512),
		cmocka_unit_test(cap__is_set_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
