/* Every way in which a configuration is refused, and damaged files. */
#include <errno.h>

#include "runtime/base/prng.h"
#include "tests/ctl/config_file.h"

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
		"c.yaml:1:7: node: unknown key; expected one of cluster, nodes, training, "
		"snapshot, checkpoint, net"},
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
	{three, "training.repartition.horizon=0", "training.repartition.horizon: expected"},
	{three, "training.repartition={min_gain: -1}", "training.repartition.min_gain: expected"},
	{three, "training.optimizer.momentum=1", "expected a number from 0 to below 1, got '1'"},
	{three, "training.optimizer.nesterov=maybe", "expected true or false, got 'maybe'"},
	{three, "training.strides=tiny", "expected one of cifar, imagenet, got 'tiny'"},
	{three, "training.strides=ifar", "expected one of cifar, imagenet, got 'ifar'"},
	{three, "training.model=vgg", "expected one of mlp, lenet5, mobilenetv2, got 'vgg'"},
	{three, "training.dataset.kind=tar", "expected idx, got 'tar'"},
	{three, "training.dataset.path=\"\"", "expected a text, got ''"},
	{three, "training.cuts=9,3", "expected auto, equal or at most 63 ascending unit numbers"},
	{three, "training.schedule=gpipe", "expected one of flush, 1f1b, got 'gpipe'"},
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
	{three, "cluster.key_file=/k", "cluster.key_file: not supported by this version"},
	{three, "checkpoint.keep=1", "checkpoint.keep: expected a whole number from 2 to 8"},
	{three, "checkpoint.direct=maybe", "expected one of auto, on, off, got 'maybe'"},
	{three, "checkpoint.max_bytes=1", "expected a size with its unit, e.g. 8GiB"},
	{"nodes: [{name: n1}]\nsnapshot: {every: 0}\ncheckpoint: {every: 5}\n"
	 "training: {model: mlp}\n",
		NULL, "c.yaml:3:21: checkpoint.every: expected 0 when snapshot.every is 0"},
	{three, "nodes.n1.restart=always", "expected one of never, on-failure, got 'always'"},
	{three, "nodes.n1.emulate.slowdown=0.5", "expected a number from 1 to 1000, got '0.5'"},
	{three, "net.protect=encrypt", "net.protect: 'encrypt' is not supported by this version"},
	/* values together */
	{three, "training.schedule=1f1b",
		"training.micro_batches: expected 1 when training.schedule is 1f1b, where a step "
		"is one micro-batch, got 4"},
	{three, "training.aggregate_every=2",
		"training.aggregate_every: expected 0 unless training.schedule is 1f1b"},
	{"nodes: [{name: n1}, {name: n2}, {name: n3}]\nsnapshot: {every: 2}\n"
	 "training: {model: lenet5, schedule: 1f1b, micro_batches: 1}\n",
		NULL,
		"c.yaml:2:19: snapshot.every: expected at least 3, auto or 0: with "
		"training.schedule 1f1b the last of 3 stages is up to 2 steps ahead of the first"},
	{"nodes: [{name: n1}, {name: n2}]\n"
	 "training: {model: lenet5, schedule: 1f1b, micro_batches: 1, cuts: '2'}\n",
		"snapshot.every=1", "--set snapshot.every=1: snapshot.every: expected at least 2"},
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(load__refuses),
		cmocka_unit_test(load__survives_truncation),
		cmocka_unit_test(load__survives_damage),
	};

	return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
