/* What the tests of the configuration share: files in a directory of their own, and three texts. */
#ifndef FTP_TESTS_CONFIG_FILE_H
#define FTP_TESTS_CONFIG_FILE_H

#include <string.h>
#include <unistd.h>

#include "ctl/config.h"
#include "tests/base/check.h"

/* The tests run in a directory of their own, so that messages name "c.yaml". */
static char directory[] = "/tmp/ftpipe-config-XXXXXX";

static inline void write_file(const char *text, size_t bytes)
{
	FILE *f = fopen("c.yaml", "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, bytes, f), bytes);
	assert_int_equal(fclose(f), 0);
}

static inline int load(struct ftp_config **c, const char *text, const char *const *sets, int n_sets,
	struct ftp_error *err)
{
	write_file(text, strlen(text));
	*c = NULL;
	err->text[0] = 0;
	return ftp_config_load(c, "c.yaml", sets, n_sets, err);
}

static inline int enter_directory(void **state)
{
	(void)state;
	if (!mkdtemp(directory) || chdir(directory) || setenv("XDG_STATE_HOME", "/tmp/state", 1))
		return -1;
	return 0;
}

static inline int leave_directory(void **state)
{
	(void)state;
	unlink("c.yaml");
	return chdir("/") || rmdir(directory);
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
	"     data_dir: /tmp/a, metrics: off, emulate: {slowdown: 2.5, loss: 0.05, bandwidth: "
	"1Gbit, delay: "
	"2ms}}\n"
	"  - {name: b, metrics: '127.0.0.2:7001'}\n"
	"training:\n"
	"  model: mobilenetv2\n"
	"  width: 0.25\n"
	"  strides: imagenet\n"
	"  dataset: {kind: idx, path: data/mnist, augment: true}\n"
	"  batch: 96\n"
	"  micro_batches: 1\n"
	"  threads: 2\n"
	"  isa: avx2\n"
	"  steps: 7\n"
	"  seed: 18446744073709549568\n"
	"  schedule: 1f1b\n"
	"  aggregate_every: 13\n"
	"  cuts: 3\n"
	"  repartition: {min_gain: 0.2, horizon: 77}\n"
	"  optimizer: {kind: sgd, momentum: 0.8, weight_decay: 4e-5, nesterov: true}\n"
	"  lr: {kind: step, base: 0.1, gamma: 0.3, final: 0.001, warmup: 5, step_every: 9}\n"
	"  eval_every: 11\n"
	"snapshot: {every: 20, global_every: 60}\n"
	"net: {port: udp, mtu: 9000, wire: f32, protect: none, eal: -v, hugepages: true}\n"
	"metrics: {listen: '0.0.0.0:7100'}\n"
	"log: {level: debug, format: json}\n";

#endif
