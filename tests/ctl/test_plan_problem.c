#include "ctl/plan_problem.h"

#include <errno.h>

#include "ctl/config_model.h"
#include "ctl/protocol.h"
#include "tests/ctl/config_file.h"

static const char two_hosts[] = "nodes:\n"
				"  - {name: n1, memory: 1GiB}\n"
				"  - {name: n2, host: 127.0.0.2}\n"
				"  - {name: n3, host: 127.0.0.2}\n"
				"training: {model: lenet5, batch: 64, micro_batches: 4}\n";

static struct ftp_config *config;
static struct ftp_model *model;

/* A profile of node, every unit's forward taking ns. */
static json_t *profile(const char *node, uint64_t ns)
{
	struct ftp_profile m = {.n_units = (uint32_t)model->n_units};
	json_t *j;

	for (uint32_t u = 0; u < m.n_units; u++) {
		m.forward_ns[u] = ns;
		m.backward_ns[u] = 2 * ns;
		m.slot_bytes[u] = 1000 + u;
	}
	j = ftp_profile_encode(&m);
	json_object_set_new(j, "node", json_string(node));
	return j;
}

static json_t *measured(void)
{
	return json_pack("{s:s, s:s, s:i, s:[o, o, o], s:[{s:s, s:[s], s:[i], s:[i]}]}", "source",
		"x", "model", model->name, "micro_batch", 16, "nodes", profile("n3", 30),
		profile("n1", 10), profile("n2", 20), "links", "node", "n1", "peer", "n2", "rtt_ns",
		4000, "bytes_per_s", 500);
}

static void new__what_was_measured(void **state)
{
	struct ftp_plan_problem *p;
	struct ftp_error err;
	json_t *m = measured();
	const struct ftp_planner_link *l;

	(void)state;
	if (ftp_plan_problem_new(&p, config, model, m, NULL, &err))
		fail_msg("%s", err.text);
	assert_int_equal(p->problem.n_nodes, 3);
	assert_int_equal(p->problem.n_units, model->n_units);
	assert_int_equal(p->problem.micro_batches, 4);
	assert_int_equal(p->problem.schedule, FTP_PLANNER_FLUSH);
	assert_int_equal(p->nodes[0].memory_bytes, 1 << 30);
	assert_string_equal(p->names[2], "n3");
	for (uint64_t i = 0; i < 3; i++) {
		assert_int_equal(p->nodes[i].times[1].forward_ns, 10 * (i + 1));
		assert_int_equal(p->nodes[i].times[1].backward_ns, 20 * (i + 1));
	}
	assert_int_equal(p->units[2].slot_bytes, 1002);
	assert_int_equal(p->units[2].state_bytes, model->units[2].state_bytes);
	assert_int_equal(p->units[2].input_bytes, 4 * ftp_model_cut_floats(model, 2, 16));
	l = p->problem.links;
	assert_int_equal(l[1].latency_ns, 2000); /* n1 to n2: measured */
	assert_int_equal(l[1].bytes_per_s, 500);
	assert_int_equal(l[3].latency_ns, FTP_PLAN_FAR_LATENCY_NS); /* back: it was not */
	assert_int_equal(l[5].latency_ns, FTP_PLAN_NEAR_LATENCY_NS);
	assert_int_equal(p->n_near, 2);
	assert_int_equal(p->n_far, 3);
	free(p);
	json_decref(m);
}

static void new__of_some_nodes(void **state)
{
	struct ftp_planner_answer answer;
	struct ftp_plan_problem *p;
	struct ftp_error err;
	json_t *m = measured();

	(void)state;
	assert_int_equal(ftp_plan_problem_new(&p, config, model, m, "n3,n1", &err), 0);
	assert_int_equal(p->problem.n_nodes, 2);
	assert_string_equal(p->names[0], "n1");
	assert_string_equal(p->names[1], "n3");
	assert_int_equal(p->nodes[1].times[0].forward_ns, 30);
	assert_int_equal(p->problem.first, 1);
	assert_int_equal(p->problem.heirs, 3);
	assert_int_equal(ftp_planner_best(&p->problem, &answer, &err), 0);
	free(p);
	json_decref(m);
}

static void new__refuses(void **state)
{
	static const struct {
		const char *nodes, *key, *value; /* key: replaced in the document */
		int code;
		const char *says;
	} rows[] = {
		{"n2", NULL, NULL, -EINVAL, "nodes[].dataset is false for all of them"},
		{"n1,n9", NULL, NULL, -EINVAL, "there is no node 'n9'"},
		{"n1,", NULL, NULL, -EINVAL, "there is no node ''"},
		{NULL, "nodes", "[]", -ENOENT, "n1 was not measured"},
		{NULL, "nodes", "[{\"node\": \"n1\", \"forward_ns\": 3}]", -EINVAL,
			"the profile of n1"},
		{NULL, "model", "\"mlp\"", -EINVAL, "the profile is of mlp, not of lenet5"},
		{NULL, "micro_batch", "64", -EINVAL, "micro-batches of 64 samples"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct ftp_plan_problem *p;
		struct ftp_error err;
		json_t *m = measured();

		if (rows[i].key)
			json_object_set_new(
				m, rows[i].key, json_loads(rows[i].value, JSON_DECODE_ANY, NULL));
		assert_int_equal(ftp_plan_problem_new(&p, config, model, m, rows[i].nodes, &err),
			rows[i].code);
		if (!strstr(err.text, rows[i].says))
			fail_msg("expected '%s', got '%s'", rows[i].says, err.text);
		json_decref(m);
	}
}

static int begin(void **state)
{
	struct ftp_model_spec spec;
	const char *const sets[] = {"nodes.n2.dataset=false"};
	struct ftp_error err;

	if (enter_directory(state) || load(&config, two_hosts, sets, 1, &err))
		return -1;
	spec = ftp_config_model_spec(config);
	return ftp_model_new(&model, &spec, &err);
}

static int end(void **state)
{
	ftp_model_free(model);
	ftp_config_free(config);
	return leave_directory(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new__what_was_measured),
		cmocka_unit_test(new__of_some_nodes),
		cmocka_unit_test(new__refuses),
	};

	(void)three, (void)smallest, (void)full;
	return cmocka_run_group_tests(tests, begin, end);
}
