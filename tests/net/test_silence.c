/* How long a peer may be silent, in virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "net/silence.h"

#define MS	   FTP_NS_PER_MS
#define TIMEOUT_NS (10 * FTP_NS_PER_S)

struct life {
	struct ftp_silence s;
	uint64_t now_ns;
};

static struct life begin(void)
{
	struct life l = {.now_ns = 5 * FTP_NS_PER_S};

	ftp_silence_init(&l.s, TIMEOUT_NS, l.now_ns);
	return l;
}

static struct life watched(uint64_t least_ns)
{
	struct life l = begin();

	ftp_silence_watch(&l.s, least_ns, l.now_ns);
	return l;
}

static uint64_t wait_ms(const struct life *l)
{
	return ftp_silence_wait_ns(&l->s) / MS;
}

/* We look all the time; the peer speaks after each of those gaps. */
static void speak(struct life *l, uint64_t gap_ms, int times)
{
	for (int i = 0; i < times; i++) {
		for (uint64_t ms = 1; ms < gap_ms; ms++)
			ftp_silence_look(&l->s, l->now_ns + ms * MS);
		l->now_ns += gap_ms * MS;
		ftp_silence_look(&l->s, l->now_ns);
		ftp_silence_heard(&l->s, l->now_ns);
	}
}

static void silence__by_rule(void **state)
{
	struct life l = begin();

	(void)state;
	speak(&l, 100, 50);
	assert_int_equal(wait_ms(&l), 10000);
	assert_true(l.s.narrowest == 0);
}

static void silence__watched(void **state)
{
	struct life l = watched(0);

	(void)state;
	assert_int_equal(wait_ms(&l), 800);
	speak(&l, 100, 20);
	assert_int_equal(wait_ms(&l), 800);
	assert_true(l.s.narrowest > 0.09 && l.s.narrowest < 0.13);
	ftp_silence_relax(&l.s);
	assert_int_equal(wait_ms(&l), 10000);
}

/* Some times its longest gap of the last 16 s, but never more than by rule. */
static void silence__a_busy_peer(void **state)
{
	struct life l = watched(0);

	(void)state;
	speak(&l, 100, 20);
	speak(&l, 500, 1);
	assert_int_equal(wait_ms(&l), 2000);
	speak(&l, 100, 140);
	assert_int_equal(wait_ms(&l), 2000);
	speak(&l, 100, 40);
	assert_int_equal(wait_ms(&l), 800);
	speak(&l, 4000, 1);
	assert_int_equal(wait_ms(&l), 10000);
	assert_true(l.s.narrowest == 5); /* it should have been lost */
}

/* As much is allowed for ten minutes. */
static void silence__known_to_be_busy(void **state)
{
	struct life l = watched(3200 * MS);

	(void)state;
	speak(&l, 100, 5990);
	assert_int_equal(wait_ms(&l), 3200);
	speak(&l, 100, 20);
	assert_int_equal(wait_ms(&l), 800);
	ftp_silence_watch(&l.s, 60 * FTP_NS_PER_S, l.now_ns);
	assert_int_equal(wait_ms(&l), 10000);
}

/* As long as it needs that. */
static void silence__busy_again_and_again(void **state)
{
	struct life l = watched(3200 * MS);

	(void)state;
	for (int i = 0; i < 4; i++) {
		speak(&l, 100, 4000);
		speak(&l, 900, 1);
	}
	speak(&l, 100, 5900);
	assert_int_equal(wait_ms(&l), 3600);
	speak(&l, 100, 120);
	assert_int_equal(wait_ms(&l), 800);
}

/* A gap counts from when it began, though more or less is allowed meanwhile. */
static void silence__watched_still(void **state)
{
	struct life l = watched(TIMEOUT_NS);

	(void)state;
	speak(&l, 100, 10);
	ftp_silence_watch(&l.s, 0, l.now_ns + 700 * MS);
	speak(&l, 750, 1);
	assert_int_equal(wait_ms(&l), 3000);
}

/* What is known stays; what was not watched says nothing. */
static void silence__watched_again(void **state)
{
	struct life l = watched(0);

	(void)state;
	speak(&l, 300, 10);
	assert_int_equal(wait_ms(&l), 1200);
	ftp_silence_relax(&l.s);
	speak(&l, 2000, 1);
	for (int ms = 0; ms < 1000; ms += 100)
		ftp_silence_look(&l.s, l.now_ns += 100 * MS);
	ftp_silence_watch(&l.s, 0, l.now_ns);
	assert_int_equal(wait_ms(&l), 1200);
	speak(&l, 100, 2);
	assert_int_equal(wait_ms(&l), 1200);
	speak(&l, 100, 200);
	assert_int_equal(wait_ms(&l), 800);
}

/* We were away: that is not the peer's silence. But only once, or a thread that is busy all the
 * time would never lose anybody. */
static void silence__we_were_away(void **state)
{
	struct life l = watched(0);
	uint64_t heard_ns;

	(void)state;
	speak(&l, 100, 20);
	heard_ns = l.now_ns;
	for (int i = 1; i <= 4; i++)
		ftp_silence_look(&l.s, heard_ns + (uint64_t)i * 150 * MS);
	assert_int_equal(ftp_silence_deadline_ns(&l.s), heard_ns + 800 * MS);
	ftp_silence_look(&l.s, heard_ns + 900 * MS);
	assert_int_equal(ftp_silence_deadline_ns(&l.s), heard_ns + 1100 * MS);
	ftp_silence_look(&l.s, heard_ns + 1200 * MS);
	assert_int_equal(ftp_silence_deadline_ns(&l.s), heard_ns + 1100 * MS);
	/* Heard again, it is excused again; and what it said meanwhile shows no gap. */
	ftp_silence_heard(&l.s, heard_ns + 1200 * MS);
	assert_int_equal(wait_ms(&l), 3600);
	ftp_silence_look(&l.s, heard_ns + 3200 * MS);
	ftp_silence_heard(&l.s, heard_ns + 3200 * MS);
	assert_int_equal(wait_ms(&l), 3600);
	ftp_silence_look(&l.s, heard_ns + 3600 * MS);
	assert_int_equal(ftp_silence_deadline_ns(&l.s), heard_ns + (3600 + 3600) * MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(silence__by_rule),
		cmocka_unit_test(silence__watched),
		cmocka_unit_test(silence__a_busy_peer),
		cmocka_unit_test(silence__known_to_be_busy),
		cmocka_unit_test(silence__busy_again_and_again),
		cmocka_unit_test(silence__watched_still),
		cmocka_unit_test(silence__watched_again),
		cmocka_unit_test(silence__we_were_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
