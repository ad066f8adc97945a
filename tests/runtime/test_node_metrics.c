#include "runtime/node_metrics.h"

#include <stdlib.h>
#include <string.h>

#include "tests/base/check.h"

static uint32_t count(struct ftp_node_metrics *m, const char *part)
{
	size_t bytes;
	char *page = ftp_metrics_render(m->registry, &bytes);
	uint32_t n = 0;

	for (const char *at = page; (at = strstr(at, part)); at++)
		n++;
	free(page);
	return n;
}

/* The worker writes them while it trains: series are looked up, under the registry's lock, when the
 * directory is opened and never again. One that has other labels by then would be made anew. */
static void checkpoint__looks_up_once(void **state)
{
	struct ftp_checkpointer_stats s = {.mode = {.engine = "simulated"}};
	struct ftp_node_metrics m;

	(void)state;
	ftp_node_metrics_init(&m, "n1", "avx2");
	ftp_node_metrics_checkpoint(&m, &s);
	assert_int_equal(count(&m, "ftp_checkpoint_puts_total{"), 5);
	assert_int_equal(count(&m, "\nftp_checkpoint_"), FTP_NODE_N_CHECKPOINT_SERIES);
	for (int i = 0; i < FTP_NODE_N_CHECKPOINT_SERIES; i++) {
		char labels[16];

		snprintf(labels, sizeof(labels), "i=\"%d\"", i);
		ftp_metrics_relabel(m.registry, m.checkpoint[i], labels);
	}
	s.n_puts[FTP_CHECKPOINT_DONE] = 7;
	ftp_node_metrics_checkpoint(&m, &s);
	assert_int_equal(count(&m, "\nftp_checkpoint_"), FTP_NODE_N_CHECKPOINT_SERIES);
	assert_int_equal(count(&m, "\nftp_checkpoint_puts_total{i=\"2\"} 7\n"), 1);
	ftp_node_metrics_deinit(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(checkpoint__looks_up_once)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
