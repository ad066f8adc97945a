/* Who has answered the links of a plan, in virtual time. */
#include <string.h>

#include "net/silence.h"
#include "runtime/rollcall.h"
#include "tests/base/check.h"

#define MS FTP_NS_PER_MS

static struct ftp_rollcall r;

/* Four stages on nodes 0 to 3, as node 1 sees them: the first and the third are its peers. */
static struct ftp_plan make_plan(uint32_t recovery)
{
	struct ftp_plan p = {.n_stages = 4, .n_units = 4, .recovery = recovery};

	for (uint32_t i = 0; i < 4; i++) {
		p.stages[i] = (struct ftp_plan_stage){
			.node = i, .incarnation = 10 + i, .first_unit = i, .end_unit = i + 1};
		snprintf(p.stages[i].name, sizeof(p.stages[i].name), "n%u", i + 1);
		p.holder[i] = i;
	}
	return p;
}

/* At 5 s; n3 was lost after a silence before, unless silence_ms is 0. */
static struct ftp_plan begin(uint32_t recovery, uint64_t silence_ms)
{
	struct ftp_plan p = make_plan(recovery);

	memset(&r, 0, sizeof(r));
	if (silence_ms)
		ftp_rollcall_silent(&r, &p.stages[2], silence_ms * MS);
	ftp_rollcall_begin(&r, &p, 1, 5000 * MS);
	return p;
}

static uint64_t deadline_ms(void)
{
	return ftp_rollcall_deadline_ns(&r) / MS;
}

static uint64_t unreached(const struct ftp_plan *p, uint64_t at_ms, char why[64])
{
	return ftp_rollcall_unreached(&r, p, at_ms * MS, why, 64);
}

static void rollcall__all_answer(void **state)
{
	struct ftp_plan p = begin(0, 0);
	char why[64];

	(void)state;
	assert_int_equal(r.unheard, 1 << 0 | 1 << 2);
	assert_int_equal(deadline_ms(), 15000);
	ftp_rollcall_heard(&r, &p, 2);
	assert_int_equal(deadline_ms(), 15000);
	ftp_rollcall_heard(&r, &p, 0);
	assert_true(ftp_rollcall_deadline_ns(&r) == FTP_NS_NEVER);
	assert_int_equal(unreached(&p, 60000, why), 0);
}

static void rollcall__one_does_not(void **state)
{
	struct ftp_plan p = begin(1, 0);
	char why[64], text[128];

	(void)state;
	ftp_rollcall_heard(&r, &p, 0);
	assert_int_equal(unreached(&p, 14999, why), 0);
	assert_int_equal(unreached(&p, 15000, why), 1 << 2);
	assert_string_equal(ftp_rollcall_describe(&p, 1 << 2, why, text, sizeof(text)),
		"n3 did not answer this stage within 10.0 s");
	assert_string_equal(ftp_rollcall_describe(&p, 1 << 2 | 1, why, text, sizeof(text)),
		"n1, n3 did not answer this stage within 10.0 s");
}

static void rollcall__one_has_left(void **state)
{
	struct ftp_plan p = begin(1, 0);
	char why[64];

	(void)state;
	ftp_rollcall_heard(&r, &p, 0);
	ftp_rollcall_heard(&r, &p, 2);
	ftp_rollcall_left(&r, 2, 8000 * MS);
	assert_int_equal(deadline_ms(), 18000);
	assert_int_equal(unreached(&p, 18000, why), 1 << 2);
}

/* In a recovery; it alone is named then, and the others are waited for as ever. */
static void rollcall__one_was_silent(void **state)
{
	struct ftp_plan p = begin(1, 800);
	char why[64];

	(void)state;
	assert_int_equal(deadline_ms(), 6000);
	assert_int_equal(unreached(&p, 6000, why), 1 << 2);
	assert_string_equal(why, "did not answer this stage within 1.0 s");
	p = begin(1, 2500);
	assert_int_equal(deadline_ms(), 7500);
	ftp_rollcall_heard(&r, &p, 2);
	assert_int_equal(deadline_ms(), 15000);
	p = begin(1, 60000);
	assert_int_equal(deadline_ms(), 15000);
	begin(0, 800);
	assert_int_equal(deadline_ms(), 15000);
}

/* Another process on that server was not silent. */
static void rollcall__another_process(void **state)
{
	struct ftp_plan p = begin(1, 800);

	(void)state;
	p.stages[2].incarnation++;
	ftp_rollcall_begin(&r, &p, 1, 5000 * MS);
	assert_int_equal(deadline_ms(), 15000);
	ftp_rollcall_heard(&r, &p, 2);
	assert_int_equal(r.silent[2].least_ns, 0);
}

/* It answers after all: it had been busy. One that did not had a link that was down. */
static void rollcall__busy_or_down(void **state)
{
	struct ftp_plan p = begin(1, 800);
	char why[64];

	(void)state;
	ftp_rollcall_heard(&r, &p, 2);
	assert_int_equal(r.silent[2].least_ns, FTP_SILENCE_TIMES * 800 * MS);
	ftp_rollcall_begin(&r, &p, 1, 5000 * MS);
	assert_int_equal(deadline_ms(), 15000); /* it was heard since */
	p = begin(1, 800);
	assert_int_equal(unreached(&p, 6000, why), 1 << 2);
	ftp_rollcall_begin(&r, &p, 1, 9000 * MS);
	assert_int_equal(deadline_ms(), 10000);
	ftp_rollcall_heard(&r, &p, 2);
	assert_int_equal(r.silent[2].least_ns, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rollcall__all_answer),
		cmocka_unit_test(rollcall__one_does_not),
		cmocka_unit_test(rollcall__one_has_left),
		cmocka_unit_test(rollcall__one_was_silent),
		cmocka_unit_test(rollcall__another_process),
		cmocka_unit_test(rollcall__busy_or_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
