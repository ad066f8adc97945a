#include "ctl/protocol.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "ctl/protocol_operator.h"
#include "runtime/base/prng.h"
#include "tests/base/check.h"

/* Every message through one table: example, encoder, decoder. */
typedef json_t *encode_fn(const void *m);
typedef int decode_fn(void *m, const json_t *j, struct ftp_error *err);

#define CODEC(message)                                                                             \
	static json_t *message##_enc(const void *m)                                                \
	{                                                                                          \
		return ftp_##message##_encode(m);                                                  \
	}                                                                                          \
	static int message##_dec(void *m, const json_t *j, struct ftp_error *err)                  \
	{                                                                                          \
		return ftp_##message##_decode(m, j, err);                                          \
	}

CODEC(join)
CODEC(joined)
CODEC(profile_ask)
CODEC(profile)
CODEC(plan)
CODEC(prepared)
CODEC(commit)
CODEC(stop)
CODEC(progress)
CODEC(evaluated)
CODEC(finished)
CODEC(failed)
CODEC(exited)
CODEC(probe)
CODEC(links)
CODEC(hold)
CODEC(held)
CODEC(transfer)
CODEC(transferred)
CODEC(abandon)
CODEC(stored)
CODEC(retain)
CODEC(persisted)
CODEC(halt)
CODEC(inventory)
CODEC(lost)
CODEC(emulate)
CODEC(trace)
CODEC(repartition)
CODEC(named)
CODEC(toggle)
CODEC(recover)
CODEC(emulate_ask)
CODEC(fail)
CODEC(fail_ask)

static const struct ftp_join join = {.protocol = 4,
	.name = "n1",
	.incarnation = UINT64_MAX,
	.pid = 4711,
	.version = "0.1.0",
	.cpu = "AMD EPYC",
	.isa = "avx512",
	.n_cores = 2,
	.udp_port = {65535, 1},
	.metrics = "127.0.0.1:9471",
	.config = {1, 2},
	.dataset = {UINT64_MAX, 0},
	.n_train = 60000,
	.n_test = 10000};
static const struct ftp_joined joined = {.node = 1, .run = 0x8000000000000001, .isa = ""};
static const struct ftp_profile_ask profile_ask = {"avx2"};
static const struct ftp_profile profile = {.n_units = 2,
	.forward_ns = {1, 2},
	.backward_ns = {3, 4},
	.update_ns = {5, FTP_PROTOCOL_MAX_NS},
	.scratch1_bytes = {6, 7},
	.scratch2_bytes = {8, 9},
	.scratch3_bytes = {10, 11},
	.scratchpad_bytes = {12, 13}};
static const struct ftp_plan plan = {.run = 7,
	.term = (1ull << 32) + 1,
	.isa = "avx512",
	.last_step = 469,
	.n_eval = 79,
	.n_stages = 2,
	.stages = {{0, "n1", "127.0.0.1", 1000, 11, 0, 3}, {1, "n2", "127.0.0.1", 1001, 12, 3, 5}},
	.n_leaving = 1,
	.leaving = {{2, "n3", "127.0.0.1", 1002, 13, 0, 0}},
	.n_units = 5,
	.holder = {0, 1, 2, 2, FTP_PLAN_INITIAL}};
static const struct ftp_probe probe = {
	.run = 7, .term = 1, .n_nodes = 1, .nodes = {{.name = "n1"}}};
static const struct ftp_links links = {.n_peers = 2,
	.peer = {1, 2},
	.rtt_ns = {1000, 0},
	.bytes_per_s = {1, FTP_PROTOCOL_MAX_COUNT}};
static const struct ftp_hold hold = {1, 2};
static const struct ftp_held held = {1, 2, 2, {3, 4}, {{1, 2}, {UINT64_MAX, 0}}};
static const struct ftp_transfer transfer = {2, 2, 1, {3}, {{1, 2}}};
static const struct ftp_transferred transferred = {2, 100, 5, 6};
static const struct ftp_abandon abandon = {2, "n3 is gone"};
static const struct ftp_stored stored = {1, 20, 21, 2, {3, 4}, {{1, 2}, {UINT64_MAX, 0}}, 700000};
static const struct ftp_retain retain = {1, 2, {10, 20}, INT64_MAX, 1, 20, 10};
static const struct ftp_persisted persisted = {1, 20, 1, 2, {3, 4}, "no space"};
static const struct ftp_halt halt = {4, "the loss of n2"};
static const struct ftp_inventory inventory = {
	2, {3, 4}, {20, 10}, {1, 2}, {{1, 2}, {UINT64_MAX, 0}}};
static const struct ftp_lost lost = {3, 1, 800000000, "lost n2: it closed the connection"};
static const struct ftp_emulate emulate = {1.5, 0.05, 1 << 30, 2000000};
static const struct ftp_trace trace = {1, 1, {2}, {3}, {4}, {5}, {INT64_MAX}};
static const struct ftp_repartition repartition = {"3,9", "n1,n3", 1};
static const struct ftp_named named = {"n3"};
static const struct ftp_toggle toggle = {1};
static const struct ftp_recover recover = {1};
static const struct ftp_emulate_ask emulate_ask = {"n3", "slowdown=5"};
static const struct ftp_fail fail = {"kill"};
static const struct ftp_fail_ask fail_ask = {"n3", "abort"};
static const struct ftp_prepared prepared = {3, 1 << 20};
static const struct ftp_commit commit = {3};
static const struct ftp_stop stop = {"stopped by the operator"};
static const struct ftp_progress progress = {.term = 1,
	.step = 2,
	.samples = 256,
	.compute_s = 0.1,
	.wait_s = 1e-9,
	.poll_s = 0,
	.n_rows = 3,
	.row_step = {1, 2, 3},
	.row_loss = {2.3025850929940459, INFINITY, -INFINITY}};
static const struct ftp_evaluated evaluated = {1, 469, 9000, 10000, 0.3};
static const struct ftp_finished finished = {1, 469, "0123456789abcdef0123456789abcdef", 12.5};
static const struct ftp_failed failed = {"worker: no memory"};
static const struct ftp_exited exited = {"n2", 4712, 0, 9, "no memory"};

static const struct message {
	const char *name;
	const void *example;
	size_t bytes;
	encode_fn *encode;
	decode_fn *decode;
} messages[] = {
#define MESSAGE(m)                                                                                 \
	{                                                                                          \
#m, &m, sizeof(m), m##_enc, m##_dec                                                \
	}
	MESSAGE(join),
	MESSAGE(joined),
	MESSAGE(profile_ask),
	MESSAGE(profile),
	MESSAGE(plan),
	MESSAGE(prepared),
	MESSAGE(commit),
	MESSAGE(stop),
	MESSAGE(progress),
	MESSAGE(evaluated),
	MESSAGE(finished),
	MESSAGE(failed),
	MESSAGE(exited),
	MESSAGE(probe),
	MESSAGE(links),
	MESSAGE(hold),
	MESSAGE(held),
	MESSAGE(transfer),
	MESSAGE(transferred),
	MESSAGE(abandon),
	MESSAGE(stored),
	MESSAGE(retain),
	MESSAGE(persisted),
	MESSAGE(halt),
	MESSAGE(inventory),
	MESSAGE(lost),
	MESSAGE(emulate),
	MESSAGE(trace),
	MESSAGE(repartition),
	MESSAGE(named),
	MESSAGE(toggle),
	MESSAGE(recover),
	MESSAGE(emulate_ask),
	MESSAGE(fail),
	MESSAGE(fail_ask),
};
#define N_MESSAGES (sizeof(messages) / sizeof(*messages))

static void decode__what_was_encoded(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_MESSAGES; i++) {
		const struct message *m = &messages[i];
		json_t *j = m->encode(m->example);
		char *text = json_dumps(j, 0);
		json_t *again = json_loads(text, 0, NULL);
		void *back = malloc(m->bytes);
		struct ftp_error err = {""};

		assert_non_null(again);
		if (m->decode(back, again, &err))
			fail_msg("%s: %s", m->name, err.text);
		if (memcmp(back, m->example, m->bytes))
			fail_msg("%s: decoded differs", m->name);
		free(back);
		free(text);
		json_decref(j);
		json_decref(again);
	}
}

/* Without any one field: refused, and named. */
static void decode__missing_field(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_MESSAGES; i++) {
		const struct message *m = &messages[i];
		json_t *whole = m->encode(m->example), *value;
		void *back = malloc(m->bytes);
		const char *key;

		json_object_foreach (whole, key, value) {
			json_t *part = json_copy(whole);
			struct ftp_error err = {""};

			json_object_del(part, key);
			assert_int_equal(m->decode(back, part, &err), -EINVAL);
			assert_non_null(strstr(err.text, key));
			json_decref(part);
		}
		free(back);
		json_decref(whole);
	}
}

/* Any one field replaced by any of these: refused or decoded, never a crash; the wrong kind
 * refused. */
static void decode__hostile_field(void **state)
{
	char *long_text = malloc(2000);
	json_t *values = json_array(), *huge = json_array();

	(void)state;
	memset(long_text, 'a', 1999);
	long_text[1999] = 0;
	for (int i = 0; i < 1000; i++)
		json_array_append_new(huge, json_integer(1));
	json_array_append_new(values, json_null());
	json_array_append_new(values, json_integer(-1));
	json_array_append_new(values, json_integer(INT64_MAX));
	json_array_append_new(values, json_real(1e308));
	json_array_append_new(values, json_real(-0.5));
	json_array_append_new(values, json_string(long_text));
	json_array_append_new(values, json_stringn("a\0b", 3));
	json_array_append_new(values, json_string("zzzzzzzzzzzzzzzz"));
	json_array_append_new(values, json_array());
	json_array_append_new(values, json_object());
	json_array_append(values, huge);
	for (size_t i = 0; i < N_MESSAGES; i++) {
		const struct message *m = &messages[i];
		json_t *whole = m->encode(m->example), *value, *bad;
		void *back = malloc(m->bytes);
		const char *key;
		size_t k;

		json_object_foreach (whole, key, value) {
			json_array_foreach (values, k, bad) {
				json_t *changed = json_copy(whole);
				struct ftp_error err = {""};
				int rc;

				json_object_set(changed, key, bad);
				rc = m->decode(back, changed, &err);
				assert_true(rc == 0 || rc == -EINVAL);
				if (json_is_null(bad) || json_is_object(bad) || bad == huge)
					assert_int_equal(rc, -EINVAL);
				json_decref(changed);
			}
		}
		free(back);
		json_decref(whole);
	}
	json_decref(values);
	json_decref(huge);
	free(long_text);
}

/* The value and its bound are named. */
static void decode__beyond_its_bound(void **state)
{
	json_t *j = ftp_profile_encode(&profile);
	struct ftp_profile m;
	struct ftp_finished f;
	struct ftp_error err;

	(void)state;
	json_array_set_new(json_object_get(j, "update_ns"), 1,
		json_integer((json_int_t)FTP_PROTOCOL_MAX_NS + 1));
	assert_int_equal(ftp_profile_decode(&m, j, &err), -EINVAL);
	assert_string_equal(err.text,
		"update_ns[1]: expected an integer from 0 to 1125899906842624, got "
		"1125899906842625");
	json_decref(j);
	j = ftp_finished_encode(&finished);
	json_object_set_new(j, "train_s", json_real(1e10));
	assert_int_equal(ftp_finished_decode(&f, j, &err), -EINVAL);
	assert_string_equal(err.text, "train_s: expected a number from 0 to 1000000000, got 1e+10");
	json_object_set_new(j, "train_s", json_null());
	assert_int_equal(ftp_finished_decode(&f, j, &err), -EINVAL);
	assert_string_equal(err.text, "train_s: expected a number from 0 to 1000000000");
	json_decref(j);
}

static void decode__not_an_object(void **state)
{
	struct ftp_join m;
	struct ftp_error err;
	json_t *j = json_array();

	(void)state;
	assert_int_equal(ftp_join_decode(&m, j, &err), -EINVAL);
	assert_int_equal(ftp_join_decode(&m, NULL, &err), -EINVAL);
	json_decref(j);
}

static void plan_decode__stages_must_join(void **state)
{
	static const struct {
		const char *says;
		struct ftp_plan plan;
	} cases[] = {
		{"at least one", {.last_step = 1, .n_units = 1}},
		{"last_step", {.n_units = 1, .n_stages = 1, .stages = {{.end_unit = 1}}}},
		{"stages[0]", {.last_step = 1, .n_units = 1, .n_stages = 1}},
		{"stages[0]", {.last_step = 1,
				      .n_units = 2,
				      .n_stages = 1,
				      .stages = {{.first_unit = 1, .end_unit = 2}}}},
		{"stages[0]",
			{.last_step = 1, .n_units = 2, .n_stages = 1, .stages = {{.end_unit = 3}}}},
		{"all 3 units",
			{.last_step = 1, .n_units = 3, .n_stages = 1, .stages = {{.end_unit = 2}}}},
		{"stages.node", {.last_step = 1,
					.n_units = 2,
					.n_stages = 1,
					.stages = {{.node = 64, .end_unit = 2}}}},
		{"leaving.node", {.last_step = 1,
					 .n_units = 2,
					 .n_stages = 1,
					 .stages = {{.end_unit = 2}},
					 .n_leaving = 1,
					 .leaving = {{.node = 64}}}},
		{"leaving", {.last_step = 1,
				    .n_units = 2,
				    .n_stages = 1,
				    .stages = {{.end_unit = 2}},
				    .n_leaving = 64}},
		{"holder[1]", {.last_step = 1,
				      .n_units = 2,
				      .n_stages = 1,
				      .stages = {{.end_unit = 2}},
				      .holder = {0, 1}}},
		{"stages[1]",
			{.last_step = 1,
				.n_units = 4,
				.n_stages = 2,
				.stages = {{.end_unit = 2}, {.first_unit = 3, .end_unit = 4}}}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		json_t *j = ftp_plan_encode(&cases[i].plan);
		struct ftp_error err = {""};
		struct ftp_plan m;

		assert_int_equal(ftp_plan_decode(&m, j, &err), -EINVAL);
		assert_non_null(strstr(err.text, cases[i].says));
		json_decref(j);
	}
}

static void progress__rows(void **state)
{
	struct ftp_progress *m = calloc(1, sizeof(*m)), *back = malloc(sizeof(*m));
	uint64_t key = ftp_prng_key(check_seed(), FTP_PRNG_TEST, 2);
	struct ftp_error err;
	json_t *j;

	(void)state;
	m->n_rows = FTP_PROGRESS_MAX_ROWS;
	for (uint32_t i = 0; i < m->n_rows; i++) {
		m->row_step[i] = i + 1;
		m->row_loss[i] = ftp_prng_normal(key, i);
	}
	m->row_loss[7] = NAN;
	j = ftp_progress_encode(m);
	assert_int_equal(ftp_progress_decode(back, j, &err), 0);
	assert_true(isnan(back->row_loss[7]));
	m->row_loss[7] = back->row_loss[7] = 0;
	assert_memory_equal(m->row_loss, back->row_loss, sizeof(m->row_loss));
	json_array_remove(json_object_get(j, "row_loss"), 0);
	assert_int_equal(ftp_progress_decode(back, j, &err), -EINVAL);
	assert_string_equal(err.text, "row_loss: expected 512 elements, got 511");
	json_decref(j);
	free(m);
	free(back);
}

static void encode__text_cut_in_a_character(void **state)
{
	struct ftp_failed m = {"bad \xc3"}, back;
	struct ftp_error err;
	json_t *j = ftp_failed_encode(&m);

	(void)state;
	assert_int_equal(ftp_failed_decode(&back, j, &err), 0);
	assert_string_equal(back.reason, "bad ?");
	json_decref(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decode__what_was_encoded),
		cmocka_unit_test(decode__missing_field),
		cmocka_unit_test(decode__hostile_field),
		cmocka_unit_test(decode__beyond_its_bound),
		cmocka_unit_test(decode__not_an_object),
		cmocka_unit_test(plan_decode__stages_must_join),
		cmocka_unit_test(progress__rows),
		cmocka_unit_test(encode__text_cut_in_a_character),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
