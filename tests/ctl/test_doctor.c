#include "ctl/doctor.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/cores.h"
#include "tests/base/check.h"

static char directory[] = "/tmp/ftpipe-doctor-XXXXXX";
static struct ftp_doctor_report report;

/* One node on ports of its own choice, with the given overrides. */
static struct ftp_config *load(const char *const *sets, int n_sets)
{
	static const char text[] = "nodes: [{name: n1, metrics: off}]\n"
				   "cluster: {coordinator: {listen: '127.0.0.1:29469'}}\n"
				   "metrics: {listen: off}\n"
				   "training: {model: lenet5, dataset: {path: data}}\n";
	struct ftp_config *c;
	struct ftp_error err;
	FILE *f = fopen("c.yaml", "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	if (ftp_config_load(&c, "c.yaml", sets, n_sets, &err))
		fail_msg("%s", err.text);
	return c;
}

static const struct ftp_doctor_result *run(const struct ftp_config *c, const char *name)
{
	ftp_doctor_run(c, &report);
	for (int i = 0; i < report.n_results; i++) {
		if (!strcmp(report.results[i].name, name))
			return &report.results[i];
	}
	return NULL;
}

static const struct ftp_doctor_result *run_set(const char *set, const char *name)
{
	struct ftp_config *c = load(&set, set ? 1 : 0);
	const struct ftp_doctor_result *r = run(c, name);

	ftp_config_free(c);
	assert_non_null(r);
	return r;
}

static void run__every_check_says_something(void **state)
{
	struct ftp_config *c = load(NULL, 0);

	(void)state;
	ftp_doctor_run(c, &report);
	assert_int_equal(report.n_results, 10);
	for (int i = 0; i < report.n_results; i++) {
		assert_true(report.results[i].need[0]);
		assert_true(report.results[i].have[0]);
		if (report.results[i].state != FTP_DOCTOR_OK)
			assert_true(report.results[i].fix[0]);
	}
	ftp_config_free(c);
}

static void run__machine_alone_without_a_configuration(void **state)
{
	(void)state;
	assert_null(run(NULL, "ports"));
	assert_null(run(NULL, "data"));
	assert_int_equal(report.n_results, 7);
}

static void cores__named_ones_must_exist(void **state)
{
	const struct ftp_doctor_result *r;
	cpu_set_t have;
	char set[64];

	(void)state;
	ftp_cores_available(&have);
	if (CPU_ISSET(1023, &have))
		skip();
	r = run_set("nodes.n1.cores='1023'", "cores");
	assert_int_equal(r->state, FTP_DOCTOR_FAIL);
	assert_non_null(strstr(r->fix, "nodes.n1.cores names 1023"));
	r = run_set("nodes.n1.net_core='1023'", "cores");
	assert_int_equal(r->state, FTP_DOCTOR_FAIL);
	for (int core = 0; core < CPU_SETSIZE; core++) {
		if (!CPU_ISSET(core, &have))
			continue;
		snprintf(set, sizeof(set), "nodes.n1.cores='%d'", core);
		assert_int_equal(run_set(set, "cores")->state, FTP_DOCTOR_OK);
	}
}

static void cores__fewer_than_threads(void **state)
{
	const char *sets[] = {NULL, "training.threads=2"};
	const struct ftp_doctor_result *r;
	struct ftp_config *c;
	cpu_set_t have;
	char set[64];
	int core = 0;

	(void)state;
	ftp_cores_available(&have);
	while (!CPU_ISSET(core, &have))
		core++;
	snprintf(set, sizeof(set), "nodes.n1.cores='%d'", core);
	sets[0] = set;
	c = load(sets, 2);
	r = run(c, "cores");
	ftp_config_free(c);
	assert_int_equal(r->state, FTP_DOCTOR_NOTE);
	assert_non_null(strstr(r->fix, "names fewer cores than training.threads (2)"));
}

static void cores__too_few_is_a_note(void **state)
{
	const struct ftp_doctor_result *r;

	(void)state;
	r = run_set("training.threads=256", "cores");
	assert_string_equal(r->need, "256 (1 node x 256 threads)");
	assert_int_equal(r->state, FTP_DOCTOR_NOTE);
	assert_non_null(strstr(r->fix, "training.threads"));
}

static void cpu__isa_of_the_configuration(void **state)
{
	(void)state;
	assert_string_equal(run_set("training.isa=avx2", "cpu")->need, "avx2");
	assert_string_equal(run_set(NULL, "cpu")->need, "sse41");
}

static void openmp__names_the_variable(void **state)
{
	const struct ftp_doctor_result *r;

	(void)state;
	assert_int_equal(setenv("OMP_THREAD_LIMIT", "1", 1), 0);
	r = run_set(NULL, "openmp");
	assert_int_equal(unsetenv("OMP_THREAD_LIMIT"), 0);
	assert_int_equal(r->state, FTP_DOCTOR_FAIL);
	assert_non_null(strstr(r->fix, "OMP_THREAD_LIMIT"));
	assert_false(report.ok);
	assert_int_equal(run_set(NULL, "openmp")->state, FTP_DOCTOR_OK);
}

static void memory__beyond_what_there_is(void **state)
{
	const struct ftp_doctor_result *r;

	(void)state;
	r = run_set("nodes.n1.memory=1000TiB", "memory");
	assert_string_equal(r->need, "1000TiB (sum of nodes[].memory)");
	assert_int_equal(r->state, FTP_DOCTOR_NOTE);
	assert_int_equal(run_set("nodes.n1.memory=1MiB", "memory")->state, FTP_DOCTOR_OK);
}

static void hugepages__only_if_asked(void **state)
{
	(void)state;
	assert_int_equal(run_set(NULL, "hugepages")->state, FTP_DOCTOR_OK);
	assert_string_equal(
		run_set("net.hugepages=true", "hugepages")->need, "128 free pages of 2 MiB");
}

static void ports__taken(void **state)
{
	struct sockaddr_in addr = {.sin_family = AF_INET};
	socklen_t bytes = sizeof(addr);
	const struct ftp_doctor_result *r;
	char set[64], address[32];
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, bytes), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &bytes), 0);
	snprintf(address, sizeof(address), "127.0.0.1:%d", ntohs(addr.sin_port));
	snprintf(set, sizeof(set), "nodes.n1.metrics=%s", address);
	r = run_set(set, "ports");
	assert_int_equal(r->state, FTP_DOCTOR_FAIL);
	assert_non_null(strstr(r->have, address));
	assert_non_null(strstr(r->fix, "nodes.n1.metrics"));
	close(fd);
	assert_int_equal(run_set(set, "ports")->state, FTP_DOCTOR_OK);
}

static void data__absent_then_there(void **state)
{
	static const char *const files[] = {"data/train-images-idx3-ubyte.gz",
		"data/train-labels-idx1-ubyte", "data/t10k-images-idx3-ubyte",
		"data/test-labels-idx1-ubyte.gz"};
	const struct ftp_doctor_result *r;

	(void)state;
	r = run_set(NULL, "data");
	assert_int_equal(r->state, FTP_DOCTOR_FAIL);
	assert_string_equal(r->have, "train-images-idx3-ubyte[.gz]: No such file or directory");
	assert_int_equal(mkdir("data", 0700), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(run_set(NULL, "data")->state, FTP_DOCTOR_FAIL);
		fclose(fopen(files[i], "w"));
	}
	assert_int_equal(run_set(NULL, "data")->state, FTP_DOCTOR_OK);
	for (int i = 0; i < 4; i++)
		unlink(files[i]);
	rmdir("data");
}

static void data_dir__writable_or_not(void **state)
{
	const struct ftp_doctor_result *r;

	(void)state;
	r = run_set("cluster.data_dir=new/sub", "data_dir");
	assert_int_equal(r->state, FTP_DOCTOR_OK);
	assert_non_null(strstr(r->have, "the rest will be made"));
	assert_string_equal(run_set("cluster.data_dir=/", "data_dir")->have,
		geteuid() ? "/: Permission denied" : "it is");
	r = run_set("cluster.data_dir=c.yaml/sub", "data_dir");
	assert_int_equal(r->state, FTP_DOCTOR_FAIL);
	assert_non_null(strstr(r->have, "Not a directory"));
	r = run_set("cluster.data_dir=/proc/1/x", "data_dir");
	assert_int_equal(r->state, geteuid() ? FTP_DOCTOR_FAIL : r->state);
}

static int enter_directory(void **state)
{
	(void)state;
	return !mkdtemp(directory) || chdir(directory);
}

static int leave_directory(void **state)
{
	(void)state;
	unlink("c.yaml");
	return chdir("/") || rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run__every_check_says_something),
		cmocka_unit_test(run__machine_alone_without_a_configuration),
		cmocka_unit_test(cpu__isa_of_the_configuration),
		cmocka_unit_test(cores__named_ones_must_exist),
		cmocka_unit_test(cores__fewer_than_threads),
		cmocka_unit_test(cores__too_few_is_a_note),
		cmocka_unit_test(openmp__names_the_variable),
		cmocka_unit_test(memory__beyond_what_there_is),
		cmocka_unit_test(hugepages__only_if_asked),
		cmocka_unit_test(ports__taken),
		cmocka_unit_test(data__absent_then_there),
		cmocka_unit_test(data_dir__writable_or_not),
	};

	return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
