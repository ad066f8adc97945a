#include "runtime/base/spsc.h"

#include <pthread.h>
#include <sched.h>

#include "tests/base/check.h"

static void push__refuses_when_full(void **state)
{
	struct ftp_spsc r;
	int v;

	(void)state;
	ftp_spsc_init(&r, 4, sizeof(int));
	assert_false(ftp_spsc_pop(&r, &v));
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 4; i++)
			assert_true(ftp_spsc_push(&r, &i));
		assert_false(ftp_spsc_push(&r, &round));
		for (int i = 0; i < 4; i++) {
			assert_true(ftp_spsc_pop(&r, &v));
			assert_int_equal(v, i);
		}
		assert_false(ftp_spsc_pop(&r, &v));
	}
	ftp_spsc_deinit(&r);
}

static void room__what_can_be_pushed(void **state)
{
	struct ftp_spsc r;
	uint32_t v;

	(void)state;
	ftp_spsc_init(&r, 4, sizeof(uint32_t));
	r.head = r.tail = r.head_seen = r.tail_seen = UINT32_MAX - 1;
	for (int round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < 4; i++) {
			assert_int_equal(ftp_spsc_room(&r), 4 - i);
			assert_true(ftp_spsc_push(&r, &i));
		}
		assert_int_equal(ftp_spsc_room(&r), 0);
		for (uint32_t i = 0; i < 4; i++) {
			assert_true(ftp_spsc_pop(&r, &v));
			assert_int_equal(ftp_spsc_room(&r), i + 1);
		}
	}
	ftp_spsc_deinit(&r);
}

static void push__across_the_end_of_the_counters(void **state)
{
	struct ftp_spsc r;
	uint32_t v;

	(void)state;
	ftp_spsc_init(&r, 2, sizeof(uint32_t));
	r.head = r.tail = r.head_seen = r.tail_seen = UINT32_MAX - 2;
	for (uint32_t i = 0; i < 8; i++) {
		assert_true(ftp_spsc_push(&r, &i));
		assert_true(ftp_spsc_push(&r, &i));
		assert_false(ftp_spsc_push(&r, &i));
		assert_true(ftp_spsc_pop(&r, &v));
		assert_int_equal(v, i);
		assert_true(ftp_spsc_pop(&r, &v));
		assert_false(ftp_spsc_pop(&r, &v));
	}
	ftp_spsc_deinit(&r);
}

enum { N_ITEMS = 300000 };

struct wide_item {
	uint64_t index, check;
	unsigned char rest[40];
};

static void *produce(void *arg)
{
	for (uint64_t i = 0; i < N_ITEMS; i++) {
		struct wide_item item = {.index = i, .check = i * 31, .rest = {[39] = i & 0xff}};

		while (!ftp_spsc_push(arg, &item))
			sched_yield();
	}
	return NULL;
}

static void pop__sees_whole_items_in_order(void **state)
{
	struct ftp_spsc r;
	pthread_t producer;

	(void)state;
	ftp_spsc_init(&r, 8, sizeof(struct wide_item));
	assert_int_equal(pthread_create(&producer, NULL, produce, &r), 0);
	for (uint64_t i = 0; i < N_ITEMS; i++) {
		struct wide_item item;

		while (!ftp_spsc_pop(&r, &item))
			sched_yield();
		assert_int_equal(item.index, i);
		assert_int_equal(item.check, i * 31);
		assert_int_equal(item.rest[39], i & 0xff);
	}
	pthread_join(producer, NULL);
	ftp_spsc_deinit(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(push__refuses_when_full),
		cmocka_unit_test(room__what_can_be_pushed),
		cmocka_unit_test(push__across_the_end_of_the_counters),
		cmocka_unit_test(pop__sees_whole_items_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
