/* The cap holds for the whole process: one order of cases. */
#include "tests/base/check.h"

#include <errno.h>
#include <string.h>

#include "kernels/isa.h"
#include "kernels/team.h"
#include "tests/kernels/net.h"

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

static int stage_of(const char *name, struct ftp_error *err)
{
	struct ftp_model *m = model_of(name, 1, FTP_STRIDES_CIFAR, true);
	struct ftp_stage_spec spec = {.model = m,
		.end_unit = m->n_units,
		.micro_batch = 2,
		.batch = 2,
		.n_slots = 1,
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

/* Our layout is made for AVX512: below it convolutions are refused, not run a hundred times slower.
 */
static void cap__below_avx512_refuses_convolutions(void **state)
{
	struct ftp_error err = {""};

	(void)state;
	if (ftp_isa_detect() < FTP_ISA_AVX2)
		skip();
	assert_int_equal(ftp_isa_current(), ftp_isa_detect());
	assert_int_equal(ftp_isa_cap(FTP_ISA_AVX2, &err), 0);
	assert_int_equal(ftp_isa_current(), FTP_ISA_AVX2);
	assert_int_equal(stage_of("mlp", &err), 0);
	assert_int_equal(stage_of("lenet5", &err), -ENOTSUP);
	assert_non_null(strstr(err.text, "conv"));
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
		cmocka_unit_test(cap__below_avx512_refuses_convolutions),
		cmocka_unit_test(cap__is_set_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
