#include "ctl/config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/prng.h"
#include "tests/base/check.h"

/* The tests run in a directory of their own, so that messages name "c.yaml". */
static char directory[] = "/tmp/ftpipe-config-XXXXXX";

static void write_file(const char *text, size_t bytes)
{
	FILE *f = fopen("c.yaml", "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, bytes, f), bytes);
	assert_int_equal(fclose(f), 0);
}

static int load(struct ftp_config **c, const char *text, const char *const *sets, int n_sets,
	struct ftp_error *err)
{
	write_file(text, strlen(text));
	*c = NULL;
	err->text[0] = 0;
	return ftp_config_load(c, "c.yaml", sets, n_sets, err);
}

static struct ftp_config *load_good(const char *text, const char *const *sets, int n_sets)
{
	struct ftp_config *c;
	struct ftp_error err;

	if (load(&c, text, sets, n_sets, &err))
		fail_msg("%s", err.text);
	return c;
}

static const char smallest[] = "nodes: [{name: n1}]\n"
			       "training: {model: lenet5}\n";

static const char three[] = "nodes:\n"
			    "  - name: n1\n"
			    "  - name: n2\n"
			    "  - name: n3\n"
			    "training:\n"
			    "  model: lenet5\n"
			    "  batch: 64\n"
			    "  epochs: 2\n";

/* Every key, none at its default. */
static const char full[] =
	"cluster: {name: site-7, coordinator: {listen: '127.0.0.1:7000'}, data_dir: /tmp/d}\n"
	"nodes:\n"
	"  - {name: a, host: '::1', cores: '0-3,6', net_core: 7, memory: 1536MiB, restart: never,\n"
	"     data_dir: /tmp/a, metrics: off, emulate: {loss: 0.05, bandwidth: 1Gbit, delay: "
	"2ms}}\n"
	"  - {name: b, metrics: '127.0.0.2:7001'}\n"
	"training:\n"
	"  model: mobilenetv2\n"
	"  width: 0.25\n"
	"  strides: imagenet\n"
	"  dataset: {kind: idx, path: data/mnist, augment: true}\n"
	"  batch: 96\n"
	"  micro_batches: 3\n"
	"  threads: 2\n"
	"  isa: avx2\n"
	"  steps: 7\n"
	"  seed: 18446744073709549568\n"
	"  schedule: flush\n"
	"  cuts: 3\n"
	"  optimizer: {kind: sgd, momentum: 0.8, weight_decay: 4e-5, nesterov: true}\n"
	"  lr: {kind: step, base: 0.1, gamma: 0.3, final: 0.001, warmup: 5, step_every: 9}\n"
	"  eval_every: 11\n"
	"net: {port: udp, mtu: 9000, wire: f32, protect: none, eal: -v, hugepages: true}\n"
	"metrics: {listen: '0.0.0.0:7100'}\n"
	"log: {level: debug, format: json}\n";

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
	assert_true(c->training.optimizer.momentum == 0.9);
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
	assert_int_equal(c->training.micro_batches, 3);
	assert_int_equal(c->training.threads, 2);
	assert_string_equal(c->training.isa, "avx2");
	assert_int_equal(c->training.steps, 7);
	assert_int_equal(c->training.epochs, 0);
	assert_true(c->training.seed == UINT64_C(18446744073709549568));
	assert_string_equal(c->training.cuts, "3");
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

struct bad {
	const char *text, *set; /* set: NULL or one override */
	const char *says;
};

static const struct bad bad[] = {
	/* structure */
	{"", NULL, "c.yaml: training.model: expected a value, got nothing; add `model: ...`"},
	{"training: {model: mlp}", NULL,
		"c.yaml:1:1: nodes: expected a value, got nothing; add `nodes: ...`"},
	{"a b", NULL, "c.yaml: expected `key: value` lines"},
	{"- a", NULL, "c.yaml: expected `key: value` lines"},
	{"nodes: [{name: n1}]\ntraining: {model: lenet5\n", NULL, "c.yaml:3:1: not YAML: "},
	{"nodes:\n\t- name: n1\n", NULL, "c.yaml:2:1: not YAML: "},
	{"a: &x 1\n", NULL, "c.yaml:1:4: anchors (&) are not accepted"},
	{"a: *x\n", NULL, "c.yaml:1:4: aliases (*) are not accepted"},
	{"a: [[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]\n", NULL, "nested too deep"},
	{"a: 1\n---\nb: 2\n", NULL, "c.yaml:2:1: a second document; expected one"},
	{"a: 1\na: 2\n", NULL, "c.yaml:2:1: key 'a' is given twice"},
	{"{a: 1}: 2\n", NULL, "c.yaml:1:1: a key must be a word"},
	{"a: \"x\\0y\"\n", NULL, "c.yaml:1:4: a value must not hold a zero byte"},
	{"nodes: [{name: n1}]\ntraining: {batch: 8}\n", NULL,
		"c.yaml:2:11: training.model: expected a value, got nothing; add `model: ...`"},
	{"nodes: [{host: '::1'}]\ntraining: {model: mlp}\n", NULL,
		"c.yaml:1:9: nodes[0].name: expected a value, got nothing"},
	{"nodes: []\ntraining: {model: mlp}\n", NULL,
		"c.yaml:1:8: nodes: expected a list of 1 to 64 entries"},
	{"nodes: n1\ntraining: {model: mlp}\n", NULL,
		"c.yaml:1:8: nodes: expected a list, got a plain value"},
	{"nodes: [n1]\ntraining: {model: mlp}\n", NULL,
		"c.yaml:1:9: nodes[0]: expected a mapping of name, host"},
	{"nodes: [{name: n1}]\ntraining: lenet5\n", NULL,
		"c.yaml:2:11: training: expected a mapping of model, width"},
	{"nodes: [{name: n1}]\ntraining: {model: mlp, batch: [8]}\n", NULL,
		"c.yaml:2:31: training.batch: expected a plain value, got a list"},
	{"nodes: [{name: n1}]\ntraining: {model: mlp, bacth: 8}\n", NULL,
		"c.yaml:2:31: training.bacth: unknown key; expected one of model, width, strides"},
	{"nodes: [{name: n1}, {name: n2, core: 3}]\ntraining: {model: mlp}\n", NULL,
		"c.yaml:1:38: nodes.n2.core: unknown key; expected one of name, host, cores"},
	{"node: [{name: n1}]\n", NULL,
		"c.yaml:1:7: node: unknown key; expected one of cluster, nodes, training, net"},
	/* single values */
	{three, "training.batch=many",
		"--set training.batch=many: training.batch: expected a whole number from 1 to "
		"65536, "
		"got 'many'"},
	{three, "training.batch=0", "expected a whole number from 1 to 65536, got '0'"},
	{three, "training.batch=-8", "expected a whole number from 1 to 65536, got '-8'"},
	{three, "training.batch=010", "expected a whole number from 1 to 65536, got '010'"},
	{three, "training.batch=8.5", "expected a whole number from 1 to 65536, got '8.5'"},
	{three, "training.batch=99999999999999999999999", "expected a whole number from 1"},
	{three, "training.seed=18446744073709551616", "expected a whole number from 0"},
	{three, "training.width=1x", "training.width: expected a number from 0.05 to 4, got '1x'"},
	{three, "training.width=nan", "expected a number from 0.05 to 4, got 'nan'"},
	{three, "training.width=1e400", "expected a number from 0.05 to 4, got '1e400'"},
	{three, "training.optimizer.momentum=1", "expected a number from 0 to below 1, got '1'"},
	{three, "training.optimizer.nesterov=maybe", "expected true or false, got 'maybe'"},
	{three, "training.strides=tiny", "expected one of cifar, imagenet, got 'tiny'"},
	{three, "training.strides=ifar", "expected one of cifar, imagenet, got 'ifar'"},
	{three, "training.model=vgg", "expected one of mlp, lenet5, mobilenetv2, got 'vgg'"},
	{three, "training.dataset.kind=tar", "expected idx, got 'tar'"},
	{three, "training.dataset.path=\"\"", "expected a text, got ''"},
	{three, "training.cuts=9,3", "expected auto, equal or at most 63 ascending unit numbers"},
	{three, "training.isa=avx3", "expected one of auto, sse41, avx2, avx512, got 'avx3'"},
	{three, "training.lr.kind=linear", "expected one of constant, step, cosine"},
	{three, "nodes.n2.memory=4", "nodes.n2.memory: expected a size with its unit, e.g. 8GiB"},
	{three, "nodes.n2.memory=1kB", "expected a sensible value: a size with its unit"},
	{three, "nodes.n2.emulate.delay=2", "expected a duration with its unit, e.g. 2ms"},
	{three, "nodes.n2.emulate.bandwidth=1GB", "expected a rate with its unit"},
	{three, "nodes.n2.emulate.loss=1", "expected a number from 0 to below 1, got '1'"},
	{three, "nodes.n2.cores=3-1", "expected auto or ascending core numbers"},
	{three, "nodes.n2.cores=0-99999", "expected auto or ascending core numbers"},
	{three, "nodes.n2.net_core=1-2", "expected a core number, or nothing"},
	{three, "nodes.n2.name=N2", "expected 1 to 32 of the characters a-z, 0-9 and -"},
	{three, "nodes.n2.host=gateway-2", "expected a numeric address"},
	{three, "nodes.n2.host=10.0.0.2",
		"nodes.n2.host: expected a loopback address, e.g. 127.0.0.1: ports and RPC bind to "
		"loopback only until protection exists, got '10.0.0.2'"},
	{three, "cluster.coordinator.listen=0.0.0.0:9469", "loopback only until protection exists"},
	{three, "cluster.coordinator.listen=9469", "expected ADDRESS:PORT"},
	{three, "cluster.coordinator.listen=127.0.0.1:0", "expected ADDRESS:PORT"},
	{three, "metrics.listen=\"\"", "expected off or ADDRESS:PORT"},
	{three, "log.level=loud", "expected one of error, warning, info, debug, got 'loud'"},
	{three, "net.mtu=100", "--set net.mtu=100: net.mtu: expected 0 (ask the route) or 576"},
	{three, "cluster.name=\"a\\e[31m\"", "got 'a?[31m'"},
	/* not yet */
	{three, "snapshot.every=10", "snapshot: not supported by this version; remove it"},
	{three, "checkpoint={keep: 2}", "checkpoint: not supported by this version"},
	{three, "cluster.key_file=/k", "cluster.key_file: not supported by this version"},
	{three, "nodes.n1.restart=on-failure", "'on-failure' is not supported by this version"},
	{three, "nodes.n1.emulate.slowdown=2", "nodes.n1.emulate.slowdown: not supported by this"},
	{three, "training.aggregate_every=2", "training.aggregate_every: not supported by this"},
	{three, "training.schedule=1f1b", "training.schedule: '1f1b' is not supported by this"},
	{three, "net.protect=encrypt", "net.protect: 'encrypt' is not supported by this version"},
	/* values together */
	{three, "training.micro_batches=3",
		"c.yaml:7:10: training.batch: expected a multiple of training.micro_batches (3), "
		"got 64"},
	{"nodes: [{name: n1}]\ntraining: {model: mlp, steps: 3, epochs: 1}\n", NULL,
		"c.yaml:2:31: training.steps: expected steps or epochs, got both"},
	{"nodes: [{name: n1}, {name: n1}]\ntraining: {model: mlp}\n", NULL,
		"c.yaml:1:16: nodes.n1.name: expected a name of its own, got 'n1' twice"},
	{three, "training.cuts=3", "training.cuts: expected 2 cuts for 3 nodes, got 1"},
	{three, "training.cuts=3,5", "expected cuts from 1 to 4, as the model has 5 units, got 5"},
	{three, "nodes=[{name: a}, {name: b}, {name: c}, {name: d}, {name: e}, {name: f}]",
		"nodes: expected at most 5 nodes, as lenet5 has 5 units, got 6"},
	{three, "training.lr.kind=step", "training.lr.step_every: expected at least 1 when"},
	{three, "training.optimizer={nesterov: true, momentum: 0}",
		"training.optimizer.momentum: expected a momentum above 0 with nesterov"},
	{three, "metrics.listen=127.0.0.1:9469",
		"metrics.listen: expected a port of its own, got 127.0.0.1:9469, which "
		"cluster.coordinator.listen has too"},
	{three, "nodes.n3.metrics=127.0.0.1:9471",
		"nodes.n3.metrics: expected a port of its own, got 127.0.0.1:9471, which "
		"nodes.n1.metrics has too"},
	{three, "metrics.listen=127.0.0.1:65533", "metrics.listen: no port is left for node 'n3'"},
	/* overrides */
	{three, "training", "--set training: expected KEY=VALUE"},
	{three, "=3", "--set =3: expected KEY=VALUE"},
	{three, "nodes.n9.memory=1GiB", "no entry is named 'n9'; expected one of n1, n2, n3"},
	{three, "nodes.n1=3", "expected a key of an entry, e.g. nodes.n1.memory=4GiB"},
	{three, "training.batch.size=3", "'batch' is a plain value, it has no keys"},
	{three, "training.batch=[", "--set training.batch=[: not YAML: "},
	{three, "training.bacth=3", "--set training.bacth=3: training.bacth: unknown key"},
	{three, "nodes.n1.x=3", "--set nodes.n1.x=3: nodes.n1.x: unknown key"},
	{three, "training..batch=3", "unknown key"},
	{three, ".=3", "unknown key"},
};

static void load__refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct ftp_config *c;
		struct ftp_error err;
		int rc = load(&c, bad[i].text, &bad[i].set, bad[i].set ? 1 : 0, &err);

		if (rc != -EINVAL || !strstr(err.text, bad[i].says))
			fail_msg("row %zu: %s%s%s: returned %d\nexpected: %s\ngot:      %s", i,
				bad[i].text, bad[i].set ? " --set " : "",
				bad[i].set ? bad[i].set : "", rc, bad[i].says, err.text);
		if (strncmp(err.text, "c.yaml", 6) && strncmp(err.text, "--set ", 6))
			fail_msg("row %zu does not say where: %s", i, err.text);
	}
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
	const char *sets[] = {"training.batch=", "training.micro_batches=", "training.optimizer="};
	struct ftp_config *c = load_good(full, sets, 3);

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

static void find_node__by_name(void **state)
{
	struct ftp_config *c = load_good(three, NULL, 0);

	(void)state;
	assert_int_equal(ftp_config_find_node(c, "n1"), 0);
	assert_int_equal(ftp_config_find_node(c, "n3"), 2);
	assert_int_equal(ftp_config_find_node(c, "n4"), -1);
	ftp_config_free(c);
}

/* Whatever is read, it ends in a configuration or in a reason. */
static void try_bytes(const char *text, size_t bytes)
{
	struct ftp_config *c = NULL;
	struct ftp_error err = {.text = ""};

	write_file(text, bytes);
	if (ftp_config_load(&c, "c.yaml", NULL, 0, &err))
		assert_true(err.text[0]);
	else
		ftp_config_free(c);
}

static void load__survives_truncation(void **state)
{
	(void)state;
	for (size_t n = 0; n < sizeof(full); n++)
		try_bytes(full, n);
}

static void load__survives_damage(void **state)
{
	uint64_t key = ftp_prng_key(check_seed(), FTP_PRNG_TEST, 3);
	char text[sizeof(full)];

	(void)state;
	for (uint64_t i = 0; i < 3000; i++) {
		memcpy(text, full, sizeof(full));
		for (uint64_t j = 0; j < 1 + i % 3; j++)
			text[ftp_prng_below(key, 8 * i + 2 * j, sizeof(full) - 1)] =
				(char)ftp_prng_below(key, 8 * i + 2 * j + 1, i % 2 ? 256 : 128);
		try_bytes(text, sizeof(full) - 1);
	}
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

static int enter_directory(void **state)
{
	(void)state;
	if (!mkdtemp(directory) || chdir(directory) || setenv("XDG_STATE_HOME", "/tmp/state", 1))
		return -1;
	return 0;
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
		cmocka_unit_test(load__defaults),
		cmocka_unit_test(load__every_key),
		cmocka_unit_test(load__refuses),
		cmocka_unit_test(load__files_that_cannot_be_read),
		cmocka_unit_test(load__survives_truncation),
		cmocka_unit_test(load__survives_damage),
		cmocka_unit_test(override__any_key),
		cmocka_unit_test(override__empty_is_the_default),
		cmocka_unit_test(override__steps_and_epochs_together),
		cmocka_unit_test(dump__reads_back),
		cmocka_unit_test(digest__covers_what_must_agree),
		cmocka_unit_test(metrics__ports_follow),
		cmocka_unit_test(find_node__by_name),
		cmocka_unit_test(examples__load_and_differ_in_nodes_only),
	};

	return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
