#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/ctl/config_file.h"

static struct ftp_config *load_good(const char *text, const char *const *sets, int n_sets)
{
	struct ftp_config *c;
	struct ftp_error err;

	if (load(&c, text, sets, n_sets, &err))
		fail_msg("%s", err.text);
	return c;
}

static void load__defaults(void **state)
{
	struct ftp_config *c = load_good(smallest, NULL, 0);

	(void)state;
	assert_string_equal(c->file, "c.yaml");
	assert_string_equal(c->cluster.name, "ftpipe");
	assert_string_equal(c->cluster.coordinator_listen, "127.0.0.1:9469");
	assert_string_equal(
		c->cluster.data_dir, geteuid() ? "/tmp/state/ftpipe" : "/var/lib/ftpipe");
	assert_int_equal(c->n_nodes, 1);
	assert_string_equal(c->nodes[0].name, "n1");
	assert_string_equal(c->nodes[0].host, "127.0.0.1");
	assert_string_equal(c->nodes[0].cores, "auto");
	assert_string_equal(c->nodes[0].net_core, "");
	assert_string_equal(c->nodes[0].data_dir, c->cluster.data_dir);
	assert_string_equal(c->nodes[0].metrics, "127.0.0.1:9471");
	assert_int_equal(c->nodes[0].memory_bytes, UINT64_C(8) << 30);
	assert_int_equal(c->training.batch, 128);
	assert_int_equal(c->training.micro_batches, 4);
	assert_int_equal(c->training.threads, 1);
	assert_int_equal(c->training.steps, 0);
	assert_int_equal(c->training.epochs, 1);
	assert_int_equal(c->training.seed, 1);
	assert_string_equal(c->training.cuts, "equal");
	assert_string_equal(c->training.dataset.path, "/usr/share/datasets/fashion-mnist");
	assert_true(c->training.repartition.min_gain == 0.02);
	assert_int_equal(c->training.repartition.horizon, 200);
	assert_true(c->training.optimizer.momentum == 0.9);
	assert_int_equal(c->checkpoint.every, 50);
	assert_int_equal(c->checkpoint.keep, 2);
	assert_int_equal(c->checkpoint.direct, FTP_DIRECT_AUTO);
	assert_string_equal(c->metrics_listen, "127.0.0.1:9470");
	assert_int_equal(c->log_level, FTP_CONFIG_LOG_INFO);
	ftp_config_free(c);
}

static void load__every_key(void **state)
{
	struct ftp_config *c = load_good(full, NULL, 0);
	char path[128];

	(void)state;
	assert_string_equal(c->cluster.name, "site-7");
	assert_string_equal(c->cluster.coordinator_listen, "127.0.0.1:7000");
	assert_string_equal(c->nodes[0].host, "::1");
	assert_string_equal(c->nodes[0].cores, "0-3,6");
	assert_string_equal(c->nodes[0].net_core, "7");
	assert_int_equal(c->nodes[0].memory_bytes, UINT64_C(1536) << 20);
	assert_string_equal(c->nodes[0].data_dir, "/tmp/a");
	assert_string_equal(c->nodes[0].metrics, "off");
	assert_true(c->nodes[0].emulate.slowdown == 2.5);
	assert_true(c->nodes[1].emulate.slowdown == 1);
	assert_true(c->nodes[0].emulate.loss == 0.05);
	assert_int_equal(c->nodes[0].emulate.bandwidth_bytes, 125000000);
	assert_int_equal(c->nodes[0].emulate.delay_ns, 2000000);
	assert_string_equal(c->nodes[1].data_dir, "/tmp/d");
	assert_string_equal(c->nodes[1].metrics, "127.0.0.2:7001");
	assert_true(c->training.width == 0.25);
	assert_int_equal(c->training.strides, FTP_CONFIG_IMAGENET);
	snprintf(path, sizeof(path), "%s/data/mnist", directory);
	assert_string_equal(c->training.dataset.path, path);
	assert_true(c->training.dataset.augment);
	assert_int_equal(c->training.batch, 96);
	assert_int_equal(c->training.micro_batches, 1);
	assert_int_equal(c->training.threads, 2);
	assert_string_equal(c->training.isa, "avx2");
	assert_int_equal(c->training.steps, 7);
	assert_int_equal(c->training.epochs, 0);
	assert_true(c->training.seed == UINT64_C(18446744073709549568));
	assert_int_equal(c->training.schedule, FTP_SCHEDULE_1F1B);
	assert_int_equal(c->training.aggregate_every, 13);
	assert_string_equal(c->training.cuts, "3");
	assert_true(c->training.repartition.min_gain == 0.2);
	assert_int_equal(c->training.repartition.horizon, 77);
	assert_true(c->training.optimizer.momentum == 0.8);
	assert_true(c->training.optimizer.weight_decay == 4e-5);
	assert_true(c->training.optimizer.nesterov);
	assert_int_equal(c->training.lr.kind, FTP_CONFIG_LR_STEP);
	assert_true(c->training.lr.base == 0.1);
	assert_true(c->training.lr.gamma == 0.3);
	assert_true(c->training.lr.final == 0.001);
	assert_int_equal(c->training.lr.warmup, 5);
	assert_int_equal(c->training.lr.step_every, 9);
	assert_int_equal(c->training.eval_every, 11);
	assert_int_equal(c->net.port, FTP_NET_UDP);
	assert_int_equal(c->net.mtu, 9000);
	assert_string_equal(c->net.eal, "-v");
	assert_true(c->net.hugepages);
	assert_string_equal(c->metrics_listen, "0.0.0.0:7100");
	assert_int_equal(c->log_level, FTP_CONFIG_LOG_DEBUG);
	assert_int_equal(c->log_format, FTP_CONFIG_LOG_JSON);
	ftp_config_free(c);
}

static void load__files_that_cannot_be_read(void **state)
{
	struct ftp_config *c;
	struct ftp_error err;
	char *big = malloc(300000);

	(void)state;
	assert_int_equal(ftp_config_load(&c, "none.yaml", NULL, 0, &err), -ENOENT);
	assert_non_null(strstr(err.text, "none.yaml: No such file"));
	assert_int_equal(ftp_config_load(&c, ".", NULL, 0, &err), -EISDIR);
	memset(big, '#', 300000);
	write_file(big, 300000);
	free(big);
	assert_int_equal(ftp_config_load(&c, "c.yaml", NULL, 0, &err), -EINVAL);
	assert_string_equal(err.text, "c.yaml: expected at most 256 KiB of YAML");
	assert_int_equal(chmod("c.yaml", 0), 0);
	if (geteuid()) {
		assert_int_equal(ftp_config_load(&c, "c.yaml", NULL, 0, &err), -EACCES);
		assert_non_null(strstr(err.text, "Permission denied"));
	}
	assert_int_equal(unlink("c.yaml"), 0);
}

static void override__any_key(void **state)
{
	const char *sets[] = {"training.steps=20", "nodes.n2.emulate.loss=0.25",
		"training.cuts=1,3", "log.level=debug", "nodes.n1.cores=0-1", "training.batch=8",
		"training.batch=16", "training.lr={kind: cosine}", "cluster.data_dir=/tmp/x"};
	struct ftp_config *c = load_good(three, sets, 9);

	(void)state;
	assert_int_equal(c->training.steps, 20);
	assert_int_equal(c->training.epochs, 0); /* the file's gives way */
	assert_true(c->nodes[1].emulate.loss == 0.25);
	assert_true(c->nodes[0].emulate.loss == 0);
	assert_string_equal(c->training.cuts, "1,3");
	assert_int_equal(c->log_level, FTP_CONFIG_LOG_DEBUG);
	assert_string_equal(c->nodes[0].cores, "0-1");
	assert_int_equal(c->training.batch, 16); /* the last one counts */
	assert_int_equal(c->training.lr.kind, FTP_CONFIG_LR_COSINE);
	assert_true(c->training.lr.base == 0.05);
	assert_string_equal(c->nodes[2].data_dir, "/tmp/x");
	ftp_config_free(c);
}

static void override__empty_is_the_default(void **state)
{
	const char *sets[] = {"training.batch=", "training.schedule=", "training.aggregate_every=",
		"training.optimizer="};
	struct ftp_config *c = load_good(full, sets, 4);

	(void)state;
	assert_int_equal(c->training.batch, 128);
	assert_true(c->training.optimizer.momentum == 0.9);
	ftp_config_free(c);
}

static void override__steps_and_epochs_together(void **state)
{
	const char *sets[] = {"training.steps=20", "training.epochs=1"};
	struct ftp_config *c;
	struct ftp_error err;

	(void)state;
	assert_int_equal(load(&c, three, sets, 2, &err), -EINVAL);
	assert_non_null(strstr(err.text, "expected steps or epochs, got both"));
}

static void check_round_trip(const struct ftp_config *c)
{
	char *text = ftp_config_dump(c), *again;
	struct ftp_config *back = load_good(text, NULL, 0);
	struct ftp_digest a = ftp_config_digest(c), b = ftp_config_digest(back);

	again = ftp_config_dump(back);
	assert_string_equal(text, again);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_true(c->training.width == back->training.width);
	assert_true(c->training.lr.final == back->training.lr.final);
	assert_int_equal(c->nodes[0].memory_bytes, back->nodes[0].memory_bytes);
	assert_int_equal(
		c->nodes[0].emulate.bandwidth_bytes, back->nodes[0].emulate.bandwidth_bytes);
	assert_true(c->training.seed == back->training.seed);
	free(text);
	free(again);
	ftp_config_free(back);
}

static void dump__reads_back(void **state)
{
	static const char *const odd[] = {"training.width=0.1234567890123456789",
		"cluster.name='null'", "nodes.n1.memory=1073741825B",
		"cluster.data_dir='/tmp/a: b#c'", "nodes.n1.emulate.bandwidth=1234567B/s",
		"training.lr.final=1e-300", "net.eal='  -v  '"};
	struct ftp_config *c;

	(void)state;
	c = load_good(smallest, NULL, 0);
	check_round_trip(c);
	ftp_config_free(c);
	c = load_good(full, NULL, 0);
	check_round_trip(c);
	ftp_config_free(c);
	c = load_good(smallest, odd, 7);
	assert_string_equal(c->cluster.name, "null");
	assert_string_equal(c->cluster.data_dir, "/tmp/a: b#c");
	assert_string_equal(c->net.eal, "  -v  ");
	check_round_trip(c);
	ftp_config_free(c);
}

static struct ftp_digest digest_with(const char *set)
{
	struct ftp_config *c = load_good(three, &set, set ? 1 : 0);
	struct ftp_digest d = ftp_config_digest(c);

	ftp_config_free(c);
	return d;
}

static void digest__covers_what_must_agree(void **state)
{
	static const char *const same[] = {"cluster.data_dir=/tmp/y", "nodes.n2.data_dir=/tmp/z",
		"log.level=debug", "metrics.listen=off", "nodes.n1.metrics=off"};
	static const char *const other[] = {"training.seed=2", "nodes.n2.cores=0",
		"training.batch=32", "net.port=udp", "nodes.n2.emulate.loss=0.1", "cluster.name=x",
		"training.lr.base=0.0500001"};
	struct ftp_digest base = digest_with(NULL), d;

	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		d = digest_with(same[i]);
		assert_memory_equal(&d, &base, sizeof(d));
	}
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		d = digest_with(other[i]);
		assert_memory_not_equal(&d, &base, sizeof(d));
	}
}

static void metrics__ports_follow(void **state)
{
	struct ftp_config *c;

	(void)state;
	c = load_good(
		three, (const char *[]){"metrics.listen='[::1]:8000'", "nodes.n2.metrics=off"}, 2);
	assert_string_equal(c->nodes[0].metrics, "[::1]:8001");
	assert_string_equal(c->nodes[1].metrics, "off");
	assert_string_equal(c->nodes[2].metrics, "[::1]:8003");
	ftp_config_free(c);
	c = load_good(three, (const char *[]){"metrics.listen=off"}, 1);
	assert_string_equal(c->nodes[2].metrics, "off");
	ftp_config_free(c);
}

/* More stages with 1f1b than the default period has steps. */
static void snapshot__period_follows_the_stages(void **state)
{
	static const struct {
		const char *set;
		uint64_t every;
	} rows[] = {
		{"training.cuts=equal", 12},
		{"training.cuts=auto", 10},
		{"training.schedule=flush", 10},
		{"snapshot.every=0", 0},
		{"snapshot.every=auto", FTP_CONFIG_AUTO},
		{"snapshot.every=13", 13},
		{"snapshot.every=", 12},
	};
	char text[512] =
		"training: {model: mobilenetv2, schedule: 1f1b, micro_batches: 1}\nnodes:\n";

	(void)state;
	for (int i = 1; i <= 12; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "  - name: n%d\n", i);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ftp_config *c = load_good(text, &rows[i].set, 1);

		assert_true(c->snapshot.every == rows[i].every);
		ftp_config_free(c);
	}
}

static void find_node__by_name(void **state)
{
	struct ftp_config *c = load_good(three, NULL, 0);

	(void)state;
	assert_int_equal(ftp_config_find_node(c, "n1"), 0);
	assert_int_equal(ftp_config_find_node(c, "n3"), 2);
	assert_int_equal(ftp_config_find_node(c, "n4"), -1);
	ftp_config_free(c);
}

static void examples__load_and_differ_in_nodes_only(void **state)
{
	static const struct {
		const char *file;
		uint32_t n_nodes;
	} rows[] = {
		{FTP_SOURCE_DIR "/examples/local-1.yaml", 1},
		{FTP_SOURCE_DIR "/examples/local-2.yaml", 2},
		{FTP_SOURCE_DIR "/examples/local-3.yaml", 3},
		{FTP_SOURCE_DIR "/examples/local-5.yaml", 5},
	};
	char *first = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ftp_config *c;
		struct ftp_error err;
		char *text, *nodes, *training;

		if (ftp_config_load(&c, rows[i].file, NULL, 0, &err))
			fail_msg("%s", err.text);
		assert_int_equal(c->n_nodes, rows[i].n_nodes);
		text = ftp_config_dump(c);
		nodes = strstr(text, "nodes:");
		training = strstr(text, "training:");
		memmove(nodes, training, strlen(training) + 1);
		if (first)
			assert_string_equal(text, first);
		else
			first = strdup(text);
		free(text);
		ftp_config_free(c);
	}
	free(first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(load__defaults),
		cmocka_unit_test(load__every_key),
		cmocka_unit_test(load__files_that_cannot_be_read),
		cmocka_unit_test(override__any_key),
		cmocka_unit_test(override__empty_is_the_default),
		cmocka_unit_test(override__steps_and_epochs_together),
		cmocka_unit_test(dump__reads_back),
		cmocka_unit_test(digest__covers_what_must_agree),
		cmocka_unit_test(metrics__ports_follow),
		cmocka_unit_test(snapshot__period_follows_the_stages),
		cmocka_unit_test(find_node__by_name),
		cmocka_unit_test(examples__load_and_differ_in_nodes_only),
	};

	return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
