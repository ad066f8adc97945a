#include "tests/base/check.h"

#include "runtime/sequence.h"

/* first, last, eval_every, n_micro, n_eval and the whole sequence: "1.0 1.1 e1.0 ..." is
 * step.micro, e for evaluation. */
static const struct {
	struct ftp_sequence sequence;
	const char *text;
} lives[] = {
	{{1, 2, 0, 2, 0}, "1.0 1.1 2.0 2.1 "},
	{{1, 2, 0, 2, 2}, "1.0 1.1 2.0 2.1 e2.0 e2.1 "},
	{{1, 3, 1, 1, 1}, "1.0 e1.0 2.0 e2.0 3.0 e3.0 "},
	{{1, 3, 2, 1, 1}, "1.0 2.0 e2.0 3.0 e3.0 "},
	{{5, 6, 5, 1, 1}, "5.0 e5.0 6.0 e6.0 "},
	{{6, 7, 5, 1, 1}, "6.0 7.0 e7.0 "},
	{{4, 6, 3, 2, 1}, "4.0 4.1 5.0 5.1 6.0 6.1 e6.0 "},
};

static void sequence_next__whole_lives(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(lives) / sizeof(lives[0]); i++) {
		const struct ftp_sequence *s = &lives[i].sequence;
		char text[256] = "";
		size_t n = 0;

		for (struct ftp_item it = ftp_sequence_first(s); !it.end;
			it = ftp_sequence_next(s, it))
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%d.%d ",
				it.eval ? "e" : "", (int)it.step, (int)it.micro);
		assert_string_equal(text, lives[i].text);
	}
}

static void sequence_index__inverts_next(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(lives) / sizeof(lives[0]); i++) {
		const struct ftp_sequence *s = &lives[i].sequence;
		uint64_t index = 0;

		for (struct ftp_item it = ftp_sequence_first(s); !it.end;
			it = ftp_sequence_next(s, it), index++) {
			assert_int_equal(it.index, index);
			assert_int_equal(ftp_sequence_index(s, it.eval, it.step, it.micro), index);
		}
	}
}

static void sequence_index__refuses_strangers(void **state)
{
	const struct ftp_sequence s = {4, 6, 3, 2, 1};

	(void)state;
	assert_true(ftp_sequence_index(&s, false, 3, 0) == UINT64_MAX);
	assert_true(ftp_sequence_index(&s, false, 7, 0) == UINT64_MAX);
	assert_true(ftp_sequence_index(&s, false, 4, 2) == UINT64_MAX);
	assert_true(ftp_sequence_index(&s, true, 4, 0) == UINT64_MAX);
	assert_true(ftp_sequence_index(&s, true, 6, 1) == UINT64_MAX);
}

/* Against a walk over the whole sequence. */
static void sequence_drains__whole_lives(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(lives) / sizeof(lives[0]); i++) {
		const struct ftp_sequence *s = &lives[i].sequence;
		uint64_t drained = s->first_step - 1, step = s->first_step;

		for (struct ftp_item it = ftp_sequence_first(s); !it.end;
			it = ftp_sequence_next(s, it)) {
			if (!it.eval) {
				assert_int_equal(ftp_sequence_drained_before(s, it.step), drained);
				continue;
			}
			drained = it.step;
			for (; step <= drained; step++)
				assert_int_equal(ftp_sequence_drains_at(s, step), drained);
		}
		for (; step <= s->last_step; step++)
			assert_int_equal(ftp_sequence_drains_at(s, step), s->last_step);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sequence_next__whole_lives),
		cmocka_unit_test(sequence_index__inverts_next),
		cmocka_unit_test(sequence_index__refuses_strangers),
		cmocka_unit_test(sequence_drains__whole_lives),
	};

	return cmocka_run_group_tests_name("sequence", tests, NULL, NULL);
}
