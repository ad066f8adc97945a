#include "ctl/pinning.h"

#include <string.h>

#include "ctl/cores.h"
#include "tests/base/check.h"

static void choose__table(void **state)
{
	static const struct {
		const char *available;
		unsigned threads;
		const char *cores[3]; /* of the config; NULL ends the nodes */
		const char *net_core; /* of the first node */
		const char *expected; /* joined by '|' */
	} cases[] = {
		{"0-1", 1, {"auto"}, "", "0-1"},
		{"0-1", 2, {"auto"}, "", "0-1"},
		{"0-1", 1, {"auto", "auto"}, "", "0|1"},
		{"0-1", 1, {"auto", "auto", "auto"}, "", "||"},
		{"0-1", 2, {"auto", "auto"}, "", "|"},
		{"0-7", 2, {"auto", "auto"}, "", "0-2|3-5"},
		{"2,4,6,8", 2, {"auto", "auto"}, "", "2,4|6,8"},
		{"0-3", 1, {"1-2", "auto"}, "", "1-2|0,3"},
		{"0-3", 1, {"auto", "auto"}, "0", "1|2"},
		{"0-1", 1, {"0-1", "auto"}, "", "0-1|"},
		{"0-7", 1, {"5", "6"}, "", "5|6"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char list[3][FTP_PINNING_LIST_BYTES], joined[128] = "";
		struct ftp_config_node nodes[3] = {{.name = NULL}};
		struct ftp_config c = {.nodes = nodes, .training.threads = cases[i].threads};
		const bool local[3] = {true, true, true};
		cpu_set_t available;

		assert_int_equal(ftp_cores_parse(cases[i].available, &available, NULL), 0);
		while (c.n_nodes < 3 && cases[i].cores[c.n_nodes]) {
			nodes[c.n_nodes].cores = (char *)cases[i].cores[c.n_nodes];
			nodes[c.n_nodes].net_core = (char *)(c.n_nodes ? "" : cases[i].net_core);
			c.n_nodes++;
		}
		ftp_pinning_choose(&c, local, &available, list);
		for (uint32_t n = 0; n < c.n_nodes; n++) {
			strcat(joined, n ? "|" : "");
			strcat(joined, list[n]);
		}
		if (strcmp(joined, cases[i].expected))
			fail_msg("case %zu: expected %s, got %s", i, cases[i].expected, joined);
	}
}

static void choose__others_nodes_do_not_count(void **state)
{
	char list[2][FTP_PINNING_LIST_BYTES];
	struct ftp_config_node nodes[2] = {
		{.cores = "auto", .net_core = ""}, {.cores = "auto", .net_core = ""}};
	struct ftp_config c = {.nodes = nodes, .n_nodes = 2, .training.threads = 2};
	const bool local[2] = {false, true};
	cpu_set_t available;

	(void)state;
	assert_int_equal(ftp_cores_parse("0-1", &available, NULL), 0);
	ftp_pinning_choose(&c, local, &available, list);
	assert_string_equal(list[1], "0-1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(choose__table),
		cmocka_unit_test(choose__others_nodes_do_not_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
