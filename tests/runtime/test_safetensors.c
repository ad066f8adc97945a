#include "runtime/safetensors.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/base/check.h"
#include "tests/runtime/small_dataset.h"

/* Two units; element i of tensor t is 1000 * t + i, as check_safetensors.py expects. */
static const struct ftp_tensor first_tensors[] = {
	{.name = "stem.conv.weight",
		.role = FTP_TENSOR_WEIGHT,
		.n_dims = 4,
		.dims = {2, 3, 1, 1},
		.n_elements = 6,
		.offset_bytes = 0,
		.moment_offset_bytes = 192},
	{.name = "stem.bn.running_mean",
		.role = FTP_TENSOR_MEAN,
		.n_dims = 1,
		.dims = {5},
		.n_elements = 5,
		.offset_bytes = 64},
	{.name = "stem.bn.weight",
		.role = FTP_TENSOR_GAMMA,
		.n_dims = 1,
		.dims = {17},
		.n_elements = 17,
		.offset_bytes = 128,
		.moment_offset_bytes = 256},
};
static const struct ftp_tensor second_tensors[] = {
	{.name = "fc.weight",
		.role = FTP_TENSOR_WEIGHT,
		.n_dims = 2,
		.dims = {3, 2},
		.n_elements = 6,
		.offset_bytes = 0,
		.moment_offset_bytes = 64},
};
static const struct ftp_unit units[] = {
	{.name = "stem", .tensors = first_tensors, .n_tensors = 3, .state_bytes = 384},
	{.name = "fc", .tensors = second_tensors, .n_tensors = 1, .state_bytes = 128},
};
static const struct ftp_model model = {
	.name = "toy-\"1.0\"", .n_classes = 3, .units = units, .n_units = 2, .state_bytes = 512};
static const struct ftp_safetensors_info info = {.input_mean = 0.25f,
	.input_std = 0.5f,
	.params_digest = "0123456789abcdef0123456789abcdef"};

static int write_model(const char *path, struct ftp_error *err)
{
	float first[96], second[32];
	const void *states[] = {first, second};
	int t = 0;

	for (int i = 0; i < 96; i++)
		first[i] = -1.0f; /* padding and moments: must not be exported */
	for (int i = 0; i < 32; i++)
		second[i] = -1.0f;
	for (int u = 0; u < 2; u++)
		for (int k = 0; k < units[u].n_tensors; k++, t++)
			for (size_t i = 0; i < units[u].tensors[k].n_elements; i++)
				(u ? second : first)[units[u].tensors[k].offset_bytes / 4 + i] =
					(float)(1000 * t) + (float)i;
	return ftp_safetensors_write(path, &model, states, &info, err);
}

/* Reads it back by the format's own description, and by PyTorch where that is installed. */
static void write__is_read_back(void **state)
{
	char path[80], command[512];
	struct ftp_error err;
	int status;

	(void)state;
	snprintf(path, sizeof(path), "%s/model.safetensors", small_dataset_dir);
	for (int again = 0; again < 2; again++) {
		if (write_model(path, &err))
			fail_msg("%s", err.text);
		snprintf(command, sizeof(command), "%s %s %s 1>&2", FTP_PYTHON,
			FTP_SOURCE_ROOT "/tests/runtime/check_safetensors.py", path);
		status = system(command);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
	}
	snprintf(path, sizeof(path), "%s/model.safetensors.tmp", small_dataset_dir);
	assert_int_equal(access(path, F_OK), -1);
}

static void write__into_a_missing_directory(void **state)
{
	struct ftp_error err;
	char path[80];

	(void)state;
	snprintf(path, sizeof(path), "%s/nowhere/model.safetensors", small_dataset_dir);
	assert_int_equal(write_model(path, &err), -ENOENT);
	assert_non_null(strstr(err.text, path));
}

static void write__to_a_full_disk(void **state)
{
	char link[80];
	struct ftp_error err;

	(void)state;
	snprintf(link, sizeof(link), "%s/model.tmp", small_dataset_dir);
	assert_int_equal(symlink("/dev/full", link), 0);
	link[strlen(link) - 4] = 0;
	assert_int_equal(write_model(link, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "No space left"));
	assert_int_equal(access(link, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(write__is_read_back),
		cmocka_unit_test(write__into_a_missing_directory),
		cmocka_unit_test(write__to_a_full_disk),
	};

	return cmocka_run_group_tests(tests, small_dataset_set_up, small_dataset_tear_down);
}
