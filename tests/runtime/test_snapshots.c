/* The store: places, what is kept, what is pinned, and labels. */
#include "runtime/snapshots.h"

#include <errno.h>
#include <string.h>

#include "tests/base/check.h"

#define TERM 3

struct rig {
	struct ftp_model *model;
	struct ftp_region *region;
	struct ftp_snapshots *store;
};

static void add_places(struct rig *r, uint8_t n)
{
	struct ftp_snapshot_places *places;
	uint8_t n_of_unit[8];
	struct ftp_error err;

	memset(n_of_unit, n, sizeof(n_of_unit));
	assert_int_equal(ftp_snapshot_places_new(&places, r->model, r->region, n_of_unit, &err), 0);
	assert_int_equal(ftp_snapshot_places_bytes(places),
		n * (r->model->state_bytes + FTP_SNAPSHOT_LABEL_BYTES * (size_t)r->model->n_units));
	ftp_snapshots_adopt(r->store, places);
}

static void rig_open(struct rig *r)
{
	const struct ftp_model_spec spec = {.name = "lenet5", .width = 1, .activations = true};
	struct ftp_error err;

	assert_int_equal(ftp_model_new(&r->model, &spec, &err), 0);
	assert_int_equal(ftp_region_new(&r->region, 64 << 20, &err), 0);
	r->store = ftp_snapshots_new();
	add_places(r, 2);
}

static void rig_close(struct rig *r)
{
	ftp_snapshots_free(r->store);
	ftp_region_free(r->region); /* asserts that nothing is left in it */
	ftp_model_free(r->model);
}

static struct ftp_snapshot *put(struct rig *r, uint32_t unit, uint64_t step)
{
	struct ftp_snapshot *s = ftp_snapshots_take(r->store, unit, step, TERM);

	if (s)
		ftp_snapshots_complete(r->store, s, (struct ftp_digest){step, unit});
	return s;
}

static unsigned count(const struct rig *r)
{
	const struct ftp_snapshot *s = NULL;
	unsigned n = 0;

	while ((s = ftp_snapshots_next(r->store, s)))
		n++;
	return n;
}

static void find__only_what_is_complete(void **state)
{
	struct ftp_snapshot *s;
	struct rig r;

	(void)state;
	rig_open(&r);
	s = ftp_snapshots_take(r.store, 2, 10, TERM);
	assert_non_null(s);
	assert_null(ftp_snapshots_find(r.store, 2, 10));
	assert_int_equal(count(&r), 0);
	ftp_snapshots_complete(r.store, s, (struct ftp_digest){1, 2});
	assert_ptr_equal(ftp_snapshots_find(r.store, 2, 10), s);
	assert_int_equal(s->term, TERM);
	assert_int_equal(s->digest.low, 2);
	assert_null(ftp_snapshots_find(r.store, 2, 20));
	assert_null(ftp_snapshots_find(r.store, 1, 10));
	assert_int_equal(count(&r), 1);
	rig_close(&r);
}

static void take__no_more_than_there_is_room(void **state)
{
	struct ftp_snapshot *s;
	struct rig r;

	(void)state;
	rig_open(&r);
	put(&r, 1, 10);
	s = ftp_snapshots_take(r.store, 1, 20, TERM);
	assert_non_null(s);
	assert_null(ftp_snapshots_take(r.store, 1, 30, TERM));
	assert_non_null(put(&r, 2, 30)); /* each unit has its own */
	ftp_snapshots_give_up(r.store, s);
	assert_null(ftp_snapshots_find(r.store, 1, 20));
	assert_ptr_equal(ftp_snapshots_take(r.store, 1, 30, TERM), s);
	rig_close(&r);
}

static void retain__table(void **state)
{
	static const struct {
		uint64_t steps[2];
		uint32_t n_steps;
		uint64_t from;
		const char *kept; /* of 10, 20, 30, 40 */
	} rows[] = {
		{{0}, 0, 0, "1111"},
		{{0}, 0, 100, "0000"},
		{{0}, 0, 30, "0011"},
		{{10}, 1, 40, "1001"},
		{{20, 30}, 2, 50, "0110"},
		{{25}, 1, 50, "0000"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rig r;

		rig_open(&r);
		add_places(&r, 4);
		for (uint64_t step = 10; step <= 40; step += 10)
			assert_non_null(put(&r, 0, step));
		ftp_snapshots_retain(r.store, rows[i].steps, rows[i].n_steps, rows[i].from);
		for (uint64_t k = 0; k < 4; k++)
			if ((ftp_snapshots_find(r.store, 0, 10 * (k + 1)) != NULL) !=
				(rows[i].kept[k] == '1'))
				fail_msg("row %zu, step %d", i, (int)(10 * (k + 1)));
		rig_close(&r);
	}
}

static void retain__what_is_being_filled_goes_when_it_is_full(void **state)
{
	struct ftp_snapshot *s;
	struct rig r;

	(void)state;
	rig_open(&r);
	s = ftp_snapshots_take(r.store, 0, 10, TERM);
	assert_non_null(ftp_snapshots_take(r.store, 0, 20, TERM));
	ftp_snapshots_retain(r.store, NULL, 0, 30);
	assert_null(ftp_snapshots_take(r.store, 0, 30, TERM)); /* still somebody else's */
	ftp_snapshots_complete(r.store, s, (struct ftp_digest){0});
	assert_null(ftp_snapshots_find(r.store, 0, 10));
	assert_ptr_equal(ftp_snapshots_take(r.store, 0, 30, TERM), s);
	ftp_snapshots_complete(r.store, s, (struct ftp_digest){0}); /* not doomed any more */
	assert_ptr_equal(ftp_snapshots_find(r.store, 0, 30), s);
	rig_close(&r);
}

static void pin__memory_stays_until_the_last_unpin(void **state)
{
	struct ftp_snapshot *s;
	struct rig r;

	(void)state;
	rig_open(&r);
	s = put(&r, 0, 10);
	put(&r, 0, 20);
	ftp_snapshots_pin(r.store, s);
	ftp_snapshots_pin(r.store, s);
	ftp_snapshots_retain(r.store, (uint64_t[]){20}, 1, 30);
	assert_null(ftp_snapshots_find(r.store, 0, 10));
	assert_null(ftp_snapshots_take(r.store, 0, 30, TERM));
	ftp_snapshots_unpin(r.store, s);
	assert_null(ftp_snapshots_take(r.store, 0, 30, TERM));
	ftp_snapshots_unpin(r.store, s);
	assert_ptr_equal(ftp_snapshots_take(r.store, 0, 30, TERM), s);
	rig_close(&r);
}

/* As it is lent while it is not complete yet, when a late stage sends what means nothing. */
static void pin__of_what_is_given_up(void **state)
{
	struct ftp_snapshot *s;
	struct rig r;

	(void)state;
	rig_open(&r);
	s = ftp_snapshots_take(r.store, 0, 10, TERM);
	put(&r, 0, 20);
	ftp_snapshots_pin(r.store, s);
	ftp_snapshots_give_up(r.store, s);
	assert_null(ftp_snapshots_take(r.store, 0, 30, TERM));
	ftp_snapshots_unpin(r.store, s);
	assert_ptr_equal(ftp_snapshots_take(r.store, 0, 30, TERM), s);
	rig_close(&r);
}

static void adopt__older_places_keep_what_they_have_and_go(void **state)
{
	size_t used;
	struct rig r;

	(void)state;
	rig_open(&r);
	used = ftp_region_used_bytes(r.region);
	put(&r, 0, 10);
	assert_false(ftp_snapshots_tidy(r.store));
	add_places(&r, 1);
	assert_non_null(ftp_snapshots_find(r.store, 0, 10));
	assert_non_null(put(&r, 0, 20));
	assert_null(put(&r, 0, 30)); /* the other old place takes nothing */
	assert_true(ftp_snapshots_tidy(r.store));
	assert_false(ftp_snapshots_tidy(r.store));
	assert_non_null(ftp_snapshots_find(r.store, 0, 10));
	ftp_snapshots_retain(r.store, (uint64_t[]){20}, 1, 30);
	assert_true(ftp_snapshots_tidy(r.store));
	assert_int_equal(ftp_region_used_bytes(r.region), used / 2);
	assert_non_null(ftp_snapshots_find(r.store, 0, 20));
	rig_close(&r);
}

static void places_new__says_what_is_lacking(void **state)
{
	const struct ftp_model_spec spec = {.name = "lenet5", .width = 1, .activations = true};
	const uint8_t n_of_unit[8] = {1, 1, 1, 1, 1};
	struct ftp_snapshot_places *places;
	struct ftp_region *region;
	struct ftp_model *model;
	struct ftp_error err;

	(void)state;
	assert_int_equal(ftp_model_new(&model, &spec, &err), 0);
	assert_int_equal(ftp_region_new(&region, model->state_bytes / 2, &err), 0);
	assert_int_equal(ftp_snapshot_places_new(&places, model, region, n_of_unit, &err), -ENOMEM);
	assert_non_null(strstr(err.text, "snapshot.every"));
	ftp_region_free(region);
	ftp_model_free(model);
}

static void check__table(void **state)
{
	static const struct {
		uint64_t step, term; /* of the label; the place is of step 10 and TERM */
		uint32_t unit;
		enum ftp_snapshot_label_kind kind, found;
		uint64_t digest; /* of what came */
	} rows[] = {
		{10, TERM, 1, FTP_SNAPSHOT_SOUND, FTP_SNAPSHOT_SOUND, 5},
		{10, TERM, 1, FTP_SNAPSHOT_SOUND, FTP_SNAPSHOT_WRONG, 6},
		{10, TERM, 1, FTP_SNAPSHOT_VOID, FTP_SNAPSHOT_VOID, 6},
		{20, TERM, 1, FTP_SNAPSHOT_SOUND, FTP_SNAPSHOT_WRONG, 5},
		{20, TERM, 1, FTP_SNAPSHOT_VOID, FTP_SNAPSHOT_WRONG, 5},
		{10, TERM + 1, 1, FTP_SNAPSHOT_SOUND, FTP_SNAPSHOT_WRONG, 5},
		{10, TERM, 2, FTP_SNAPSHOT_SOUND, FTP_SNAPSHOT_WRONG, 5},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned char data[2 * FTP_SNAPSHOT_LABEL_BYTES] = {0};
		struct ftp_snapshot s = {.unit = rows[i].unit,
			.step = rows[i].step,
			.term = rows[i].term,
			.data = data,
			.bytes = sizeof(data)};
		struct ftp_digest sent = {0, rows[i].kind == FTP_SNAPSHOT_SOUND ? 5 : 0};

		ftp_snapshot_label(&s, rows[i].kind, sent);
		s.unit = 1;
		s.step = 10;
		s.term = TERM;
		if (ftp_snapshot_check(&s, (struct ftp_digest){0, rows[i].digest}) != rows[i].found)
			fail_msg("row %zu", i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(find__only_what_is_complete),
		cmocka_unit_test(take__no_more_than_there_is_room),
		cmocka_unit_test(retain__table),
		cmocka_unit_test(retain__what_is_being_filled_goes_when_it_is_full),
		cmocka_unit_test(pin__memory_stays_until_the_last_unpin),
		cmocka_unit_test(pin__of_what_is_given_up),
		cmocka_unit_test(adopt__older_places_keep_what_they_have_and_go),
		cmocka_unit_test(places_new__says_what_is_lacking),
		cmocka_unit_test(check__table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
