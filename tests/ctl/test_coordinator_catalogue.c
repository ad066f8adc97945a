/* Who holds what: tables of what nodes tell, and what follows. */
#include "ctl/coordinator_catalogue.h"

#include <string.h>

#include "tests/base/check.h"

#define N_UNITS 3

static struct ftp_digest digest_of(uint32_t unit)
{
	return (struct ftp_digest){7, unit};
}

/* "0:012" node 0 has units 0, 1 and 2 of the snapshot after step 10 by term 1. */
static void tell(struct ftp_catalogue *c, const char *text)
{
	uint32_t node = 0, teller;

	for (const char *p = text; *p; p++) {
		if (p[1] == ':')
			node = (uint32_t)(*p++ - '0');
		else if (*p != ' ')
			assert_int_equal(ftp_catalogue_add(c, node, (uint32_t)(*p - '0'), 1, 10,
						 digest_of((uint32_t)(*p - '0')), &teller),
				0);
	}
}

static void open_catalogue(struct ftp_catalogue *c)
{
	ftp_catalogue_init(c, N_UNITS);
	ftp_catalogue_begin(c, 1, 0);
	ftp_catalogue_expect(c, 1, 10);
}

static void is_stable__table(void **state)
{
	static const struct {
		const char *told;
		int n_holders;
		int lost; /* node; -1: none */
		bool is_stable, is_at_0;
	} rows[] = {
		{"", 1, -1, false, false},
		{"0:012", 1, -1, true, true},
		{"0:012", 2, -1, false, true},
		{"0:0 1:1 2:2 1:0 2:1 0:2", 2, -1, true, false},
		{"0:0 1:1 2:2 1:0 2:1", 2, -1, false, false},
		{"0:0 1:1 2:2 1:0 2:1 2:1 2:1", 2, -1, false, false}, /* told twice is one */
		{"0:0 1:1 2:2 1:0 2:1 0:2", 2, 2, false, false},
		{"0:0 1:1 2:2 1:0 2:1 0:2", 1, 2, true, false},
		{"0:0 1:1 2:2 1:0 2:1 0:2", 1, 1, true, false},
		{"0:0 1:1 2:2 1:0 2:1 0:2 0:1", 2, -1, true, true},
		{"0:0 1:1 2:2 1:0 2:1 0:2 0:1", 1, 0, true, false},
		{"0:0 1:1", 1, -1, false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ftp_catalogue c;

		open_catalogue(&c);
		tell(&c, rows[i].told);
		if (rows[i].lost >= 0)
			ftp_catalogue_lose(&c, (uint32_t)rows[i].lost);
		if (ftp_catalogue_is_stable(&c, 10, rows[i].n_holders) != rows[i].is_stable ||
			ftp_catalogue_has(&c, 10, 0, 0, N_UNITS) != rows[i].is_at_0)
			fail_msg("row %zu: \"%s\"", i, rows[i].told);
	}
}

static void is_stable__not_what_is_unknown(void **state)
{
	struct ftp_catalogue c;

	(void)state;
	open_catalogue(&c);
	assert_false(ftp_catalogue_is_stable(&c, 20, 0));
	assert_false(ftp_catalogue_is_stable(&c, 0, 0));
	tell(&c, "0:012 1:012");
	ftp_catalogue_forget(&c, 10);
	assert_false(ftp_catalogue_is_stable(&c, 10, 1));
	assert_null(ftp_catalogue_find(&c, 10));
}

static void add__unknown_step_or_term(void **state)
{
	struct ftp_catalogue c;
	uint32_t teller;

	(void)state;
	open_catalogue(&c);
	assert_int_equal(
		ftp_catalogue_add(&c, 0, 0, 1, 20, digest_of(0), &teller), FTP_CATALOGUE_UNKNOWN);
	assert_int_equal(
		ftp_catalogue_add(&c, 0, 0, 2, 10, digest_of(0), &teller), FTP_CATALOGUE_UNKNOWN);
	assert_int_equal(ftp_catalogue_find(&c, 10)->holders[0], 0);
}

static void add__another_digest_names_the_first_teller(void **state)
{
	struct ftp_catalogue c;
	uint32_t teller = 9;

	(void)state;
	open_catalogue(&c);
	tell(&c, "2:0 1:1");
	assert_int_equal(
		ftp_catalogue_add(&c, 0, 0, 1, 10, digest_of(1), &teller), FTP_CATALOGUE_CONFLICT);
	assert_int_equal(teller, 2);
	assert_int_equal(ftp_catalogue_find(&c, 10)->holders[0], 1 << 2);
	ftp_catalogue_lose(&c, 2); /* what it told is remembered */
	assert_int_equal(
		ftp_catalogue_add(&c, 0, 0, 1, 10, digest_of(1), &teller), FTP_CATALOGUE_CONFLICT);
	assert_int_equal(teller, 2);
}

/* A history of terms and the steps that they began at, and which states count then. */
static void is_valid__table(void **state)
{
	static const struct {
		struct {
			uint64_t term, step;
		} begun[4];
		uint64_t term, step;
		bool is_valid;
	} rows[] = {
		{{{1, 0}}, 1, 1000, true},
		{{{1, 0}, {2, 100}}, 1, 100, true},
		{{{1, 0}, {2, 100}}, 1, 101, false},
		{{{1, 0}, {2, 100}}, 2, 101, true},
		{{{1, 0}, {2, 100}, {4, 50}}, 1, 50, true},
		{{{1, 0}, {2, 100}, {4, 50}}, 1, 60, false},
		{{{1, 0}, {2, 100}, {4, 50}}, 2, 110, false},
		{{{1, 0}, {2, 100}, {4, 50}}, 3, 51, false}, /* never in force */
		{{{1, 0}, {2, 100}, {4, 50}}, 4, 110, true},
		{{{1, 0}, {2, 100}, {4, 50}, {5, 120}}, 2, 50, true},
		{{{1, 0}, {2, 100}, {4, 50}, {5, 120}}, 2, 60, false},
		{{{1, 0}, {2, 100}, {4, 50}, {5, 120}}, 4, 120, true},
		{{{1, 0}, {2, 100}, {4, 50}, {5, 120}}, 4, 121, false},
		{{{1, 0}, {2, 100}, {4, 100}, {5, 100}}, 4, 101, false},
		{{{1, 0}, {2, 0}}, 1, 10, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ftp_catalogue c;

		ftp_catalogue_init(&c, N_UNITS);
		for (size_t k = 0; k < 4 && rows[i].begun[k].term; k++)
			ftp_catalogue_begin(&c, rows[i].begun[k].term, rows[i].begun[k].step);
		if (ftp_catalogue_is_valid(&c, rows[i].term, rows[i].step) != rows[i].is_valid)
			fail_msg("row %zu", i);
	}
}

static void is_valid__what_is_too_old_to_know_is_not(void **state)
{
	struct ftp_catalogue c;

	(void)state;
	ftp_catalogue_init(&c, N_UNITS);
	for (uint64_t term = 1; term <= FTP_CATALOGUE_MAX_TERMS + 10; term++)
		ftp_catalogue_begin(&c, term, term * 10);
	assert_int_equal(c.n_begun, FTP_CATALOGUE_MAX_TERMS);
	assert_false(ftp_catalogue_is_valid(&c, 5, 1));
	assert_true(ftp_catalogue_is_valid(&c, 20, 205));
	assert_false(ftp_catalogue_is_valid(&c, 20, 215));
}

static void begin__drops_the_abandoned_history(void **state)
{
	struct ftp_catalogue c;

	(void)state;
	open_catalogue(&c);
	tell(&c, "0:012 1:012");
	ftp_catalogue_expect(&c, 1, 20);
	ftp_catalogue_begin(&c, 2, 15);
	assert_non_null(ftp_catalogue_find(&c, 10));
	assert_null(ftp_catalogue_find(&c, 20));
	assert_true(ftp_catalogue_is_stable(&c, 10, 2));
	ftp_catalogue_begin(&c, 3, 9);
	assert_null(ftp_catalogue_find(&c, 10));
}

/* A state that was told in an earlier life: nobody holds it, and nothing else will do. */
static void know__holds_nothing(void **state)
{
	struct ftp_digest right = {1, 2}, wrong = {1, 3};
	struct ftp_catalogue c;
	uint32_t teller;

	(void)state;
	ftp_catalogue_init(&c, 1);
	ftp_catalogue_begin(&c, 1, 0);
	ftp_catalogue_expect(&c, 1, 10);
	ftp_catalogue_know(&c, 0, 10, right, 6);
	assert_false(ftp_catalogue_is_stable(&c, 10, 1));
	assert_int_equal(ftp_catalogue_find(&c, 10)->had[0], 6);
	assert_int_equal(
		ftp_catalogue_add(&c, 0, 0, 1, 10, wrong, &teller), FTP_CATALOGUE_CONFLICT);
	assert_int_equal(teller, 1);
	assert_int_equal(ftp_catalogue_add(&c, 0, 0, 1, 10, right, &teller), 0);
	assert_true(ftp_catalogue_is_stable(&c, 10, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_stable__table),
		cmocka_unit_test(is_stable__not_what_is_unknown),
		cmocka_unit_test(add__unknown_step_or_term),
		cmocka_unit_test(add__another_digest_names_the_first_teller),
		cmocka_unit_test(is_valid__table),
		cmocka_unit_test(is_valid__what_is_too_old_to_know_is_not),
		cmocka_unit_test(begin__drops_the_abandoned_history),
		cmocka_unit_test(know__holds_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
