/* Export from directories that are whole, damaged, of another run, of an abandoned history, or that
 * say different things: what counts is used, and who is not believed is named. */
#include "runtime/export.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/checkpoint_dir.h"
#include "runtime/export_holders.h"
#include "runtime/plain_disk.h"
#include "tests/base/check.h"

#define RUN	0xabcu
#define N_UNITS 5

static char root[] = "test-export-XXXXXX";
static struct ftp_model *model;
static json_t *document;
static struct ftp_error why;

static void write_text(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* What a run has from its beginning on: its number. */
static int begin(void **state)
{
	char path[128];

	(void)state;
	mkdir(root, 0700);
	snprintf(path, sizeof(path), "%s/checkpoint", root);
	mkdir(path, 0700);
	write_text("run", "0000000000000abc\n");
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static int end(void **state)
{
	(void)state;
	json_decref(document);
	document = NULL;
	return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct ftp_checkpoint_event turn(struct ftp_checkpoint *c, struct ftp_disk *disk)
{
	struct ftp_checkpoint_event e;

	while (!ftp_checkpoint_event(c, &e))
		ftp_checkpoint_turn(c, disk, 16, 0);
	while (ftp_checkpoint_is_busy(c))
		ftp_checkpoint_turn(c, disk, 16, 0);
	return e;
}

struct put {
	const char *node;
	uint64_t run, term, step;
	uint32_t first, end; /* units */
	uint8_t value;	     /* of all bytes; 0: the step */
};

static void put(struct put p)
{
	const struct ftp_checkpoint_spec spec = {.run = p.run ? p.run : RUN, .keep = 2};
	struct ftp_checkpoint_entry entries[N_UNITS];
	struct ftp_checkpoint *c;
	struct ftp_disk *disk;
	char path[128];

	snprintf(path, sizeof(path), "%s/checkpoint/%s", root, p.node);
	assert_int_equal(ftp_plain_disk_new(&disk, path, false, NULL), 0);
	assert_int_equal(ftp_checkpoint_new(&c, &spec, disk), 0);
	assert_int_equal(turn(c, disk).outcome, FTP_CHECKPOINT_DONE);
	for (uint32_t u = p.first; u < p.end; u++) {
		size_t bytes = model->units[u].state_bytes;
		void *data = malloc(bytes);

		memset(data, p.value ? p.value : (int)p.step, bytes);
		entries[u] = (struct ftp_checkpoint_entry){.unit = u,
			.step = p.step,
			.term = p.term,
			.bytes = bytes,
			.data = data,
			.digest = ftp_digest_of(data, bytes)};
	}
	assert_int_equal(ftp_checkpoint_put(c, entries + p.first, p.end - p.first), 0);
	assert_int_equal(turn(c, disk).outcome, FTP_CHECKPOINT_DONE);
	for (uint32_t u = p.first; u < p.end; u++)
		free((void *)entries[u].data);
	ftp_checkpoint_free(c);
	disk->ops->free(disk);
}

/* A chain: n1 has units 0-1 and 4, n2 has 2-3 and 0-1, n3 has 4 and 2-3. */
static void put_all(uint64_t term, uint64_t step)
{
	put((struct put){"n1", .term = term, .step = step, .first = 0, .end = 2});
	put((struct put){"n1", .term = term, .step = step, .first = 4, .end = 5});
	put((struct put){"n2", .term = term, .step = step, .first = 0, .end = 4});
	put((struct put){"n3", .term = term, .step = step, .first = 2, .end = 5});
}

/* disk_step 0: it knows of no snapshot. */
static void write_journal(
	const char *begun_term, const char *begun_step, uint64_t disk_term, uint64_t disk_step)
{
	char text[2048], digest[FTP_DIGEST_HEX];
	int n = snprintf(text, sizeof(text),
		"{\"run\": \"0000000000000abc\", \"forgotten_term\": 0, \"begun_term\": [%s], "
		"\"begun_step\": [%s], \"disk_term\": %d, \"disk_step\": %d, \"digest\": [",
		begun_term, begun_step, (int)disk_term, (int)disk_step);

	for (int u = 0; disk_step && u < N_UNITS; u++) {
		size_t bytes = model->units[u].state_bytes;
		void *data = malloc(bytes);

		memset(data, (int)disk_step, bytes);
		ftp_digest_hex(ftp_digest_of(data, bytes), digest);
		free(data);
		n += snprintf(
			text + n, sizeof(text) - (size_t)n, "%s\"%s\"", u ? ", " : "", digest);
	}
	snprintf(text + n, sizeof(text) - (size_t)n, "]}");
	write_text("journal.json", text);
}

static int export(void)
{
	char path[128];
	const struct ftp_export_spec spec = {
		.model = model, .run_dir = root, .path = path, .dataset = "no/such/data"};

	snprintf(path, sizeof(path), "%s/out.safetensors", root);
	json_decref(document);
	document = NULL;
	why.text[0] = 0;
	return ftp_export_newest(&document, &spec, &why);
}

static void assert_exported(uint64_t step, uint64_t term, size_t n_problems)
{
	const json_t *problems;

	if (export())
		fail_msg("%s", why.text);
	problems = json_object_get(document, "problems");
	for (size_t i = 0; i < json_array_size(problems); i++)
		printf("%s\n", json_string_value(json_array_get(problems, i)));
	assert_int_equal(json_integer_value(json_object_get(document, "step")), step);
	assert_int_equal(json_integer_value(json_object_get(document, "term")), term);
	assert_string_equal(
		json_string_value(json_object_get(document, "run")), "0000000000000abc");
	assert_int_equal(json_array_size(problems), n_problems);
}

static void assert_problem(size_t i, const char *part)
{
	const char *text =
		json_string_value(json_array_get(json_object_get(document, "problems"), i));

	if (!text || !strstr(text, part))
		fail_msg("%s, not %s", text, part);
}

/* A bit of the data of the first record of that unit and step. */
static void damage(const char *node, uint32_t unit, uint64_t step)
{
	struct ftp_checkpoint_totals t;
	struct ftp_checkpoint_dir d;
	char path[256];
	uint8_t byte;
	FILE *f;

	snprintf(path, sizeof(path), "%s/checkpoint/%s", root, node);
	assert_int_equal(ftp_checkpoint_dir_open(&d, path, FTP_CHECKPOINT_DIR_LOOK, NULL), 0);
	ftp_checkpoint_totals(d.store, &t);
	for (uint32_t i = 0; i < t.n_records; i++) {
		const struct ftp_checkpoint_record *r = ftp_checkpoint_record_at(d.store, i, NULL);

		if (r->name.unit != unit || r->name.step != step)
			continue;
		snprintf(path, sizeof(path), "%s/checkpoint/%s/segment-%08x", root, node,
			r->segment);
		f = fopen(path, "r+e");
		assert_non_null(f);
		fseek(f, (long)r->offset + 200, SEEK_SET);
		byte = (uint8_t)~fgetc(f);
		fseek(f, (long)r->offset + 200, SEEK_SET);
		fputc(byte, f);
		fclose(f);
	}
	ftp_checkpoint_dir_close(&d);
}

/* The newest manifest of that node, and what writing the next one takes. */
struct manifest {
	char path[128];
	struct ftp_checkpoint_manifest m;
	uint32_t slot; /* the other one */
};

static void read_manifest(struct manifest *out, const char *node)
{
	static uint8_t slots[FTP_CHECKPOINT_N_SLOTS][FTP_CHECKPOINT_SLOT_BYTES];
	static struct ftp_checkpoint_manifest m;
	FILE *f;

	snprintf(out->path, sizeof(out->path), "%s/checkpoint/%s/manifest", root, node);
	f = fopen(out->path, "re");
	assert_non_null(f);
	assert_int_equal(fread(slots, 1, sizeof(slots), f), sizeof(slots));
	fclose(f);
	out->m.sequence = 0;
	for (uint32_t i = 0; i < FTP_CHECKPOINT_N_SLOTS; i++) {
		if (ftp_checkpoint_format_parse_manifest(&m, slots[i], sizeof(slots[i])) ||
			m.sequence < out->m.sequence)
			continue;
		out->m = m;
		out->slot = 1 - i;
	}
	assert_true(out->m.sequence > 0);
}

static void write_at(const char *path, uint64_t offset, const void *data, size_t bytes)
{
	FILE *f = fopen(path, "r+e");

	assert_non_null(f);
	assert_int_equal(fseek(f, (long)offset, SEEK_SET), 0);
	assert_int_equal(fwrite(data, 1, bytes, f), bytes);
	fclose(f);
}

/* All checksums hold: before the record of that unit and step there is one of the same name but for
 * its length, of so many bytes. */
static void forge(const char *node, uint32_t unit, uint64_t step, uint64_t bytes)
{
	static struct manifest x;
	static uint8_t slot[FTP_CHECKPOINT_SLOT_BYTES], header[FTP_CHECKPOINT_HEADER_BYTES];
	struct ftp_checkpoint_record forged = {.name = {.step = 0}};
	char path[128];
	struct stat st;
	uint32_t n;

	read_manifest(&x, node);
	for (uint32_t i = 0; i < x.m.n_records; i++)
		if (x.m.records[i].name.unit == unit && x.m.records[i].name.step == step)
			forged = x.m.records[i];
	assert_int_equal(forged.name.step, step);
	snprintf(path, sizeof(path), "%s/checkpoint/%s/segment-%08x", root, node, forged.segment);
	assert_int_equal(stat(path, &st), 0);
	forged.name.bytes = bytes;
	forged.offset = (uint64_t)st.st_size;
	memmove(&x.m.records[1], &x.m.records[0], x.m.n_records * sizeof(x.m.records[0]));
	x.m.records[0] = forged;
	x.m.n_records++;
	x.m.sequence++;
	ftp_checkpoint_format_header(header, &forged.name);
	write_at(path, forged.offset, header, sizeof(header));
	assert_int_equal(truncate(path, st.st_size + (off_t)ftp_checkpoint_format_space(bytes)), 0);
	n = ftp_checkpoint_format_manifest(slot, &x.m);
	write_at(x.path, (uint64_t)x.slot * FTP_CHECKPOINT_SLOT_BYTES, slot, n);
}

static void newest__whole(void **state)
{
	(void)state;
	write_journal("1", "0", 1, 40);
	put_all(1, 20);
	put_all(1, 40);
	put((struct put){"n2", .term = 1, .step = 60, .first = 0, .end = 4});
	assert_exported(40, 1, 0);
}

static void newest__nothing(void **state)
{
	(void)state;
	write_journal("1", "0", 0, 0);
	assert_int_equal(export(), -ENODATA);
	assert_string_equal(why.text, "the run's checkpoints are empty");
}

static void newest__units_are_missing(void **state)
{
	(void)state;
	write_journal("1", "0", 0, 0);
	put((struct put){"n2", .term = 1, .step = 60, .first = 1, .end = 4});
	assert_int_equal(export(), -ENODATA);
	assert_non_null(strstr(why.text, "of the newest, after step 60, units 0, 4 are missing"));
}

static void holders__damaged(void **state)
{
	(void)state;
	write_journal("1", "0", 1, 40);
	put_all(1, 40);
	damage("n2", 2, 40);
	assert_exported(40, 1, 1);
	assert_problem(0, "n2: unit 2 after step 40: damaged");
	damage("n3", 2, 40);
	assert_int_equal(export(), -ENODATA);
	assert_non_null(strstr(why.text, "units 2 are missing; n2: unit 2"));
}

/* What is read into the unit's memory is as long as the unit's state is. */
static void holders__forged_length(void **state)
{
	(void)state;
	write_journal("1", "0", 1, 40);
	put_all(1, 40);
	forge("n1", 0, 40, 64 << 20);
	forge("n2", 0, 40, 64 << 20);
	assert_exported(40, 1, 0);
}

/* A node at work puts and cleans up while its directory is being read: that is no damage. */
static void holders__moved(void **state)
{
	struct ftp_export_history history;
	struct ftp_export_holders *x;
	json_t *problems = json_array();
	char segment[128], away[160];
	uint64_t bytes = model->units[2].state_bytes;
	void *into = malloc(bytes);

	(void)state;
	write_journal("1", "0", 1, 40);
	put_all(1, 40);
	snprintf(segment, sizeof(segment), "%s/checkpoint/n2/segment-00000000", root);
	snprintf(away, sizeof(away), "%s/away", root);
	assert_int_equal(rename(segment, away), 0);
	ftp_export_history_read(&history, root, problems);
	assert_int_equal(ftp_export_holders_open(&x, root, &history, problems, &why), 0);
	assert_int_equal(rename(away, segment), 0);
	for (uint64_t step = 60; step <= 80; step += 20)
		put((struct put){"n2", .term = 1, .step = step, .first = 0, .end = 4});
	assert_true(ftp_export_holders_read(x, 2, 40, 1, bytes, into));
	assert_true(ftp_export_holders_have_moved(x));
	assert_int_equal(json_array_size(problems), 0);
	ftp_export_holders_close(x);
	ftp_export_history_deinit(&history);
	json_decref(problems);
	free(into);
}

/* Its record is sound, and not what the run trained. */
static void holders__lies(void **state)
{
	(void)state;
	write_journal("1", "0", 1, 40);
	put((struct put){"n1", .term = 1, .step = 40, .first = 0, .end = 2, .value = 7});
	put((struct put){"n2", .term = 1, .step = 40, .first = 0, .end = 5});
	assert_exported(40, 1, 2);
	assert_problem(0, "n1: unit 0 after step 40: it is not the state that the journal");
	assert_problem(1, "n1: unit 1");
}

/* Nobody knows what it must be: two against one, then one against one. */
static void holders__most_of_them(void **state)
{
	(void)state;
	write_journal("1", "0", 0, 0);
	put((struct put){"n1", .term = 1, .step = 40, .first = 0, .end = 2, .value = 7});
	put((struct put){"n2", .term = 1, .step = 40, .first = 0, .end = 5});
	put((struct put){"n3", .term = 1, .step = 40, .first = 0, .end = 5});
	assert_exported(40, 1, 2);
	put((struct put){"n1", .term = 1, .step = 60, .first = 0, .end = 1, .value = 7});
	put((struct put){"n2", .term = 1, .step = 60, .first = 0, .end = 5});
	assert_exported(40, 1, 3);
	assert_problem(0, "n1 and n2 hold different states of unit 0 after step 60");
}

static void holders__another_run(void **state)
{
	(void)state;
	write_journal("1", "0", 0, 0);
	put((struct put){"n0", .run = 7, .term = 1, .step = 60, .first = 0, .end = 5});
	put_all(1, 40);
	assert_exported(40, 1, 1);
	assert_problem(
		0, "n0: its directory is that of run 0000000000000007, not 0000000000000abc");
}

/* The run went back to step 20: what was trained after it does not count, whole as it is. */
static void history__abandoned(void **state)
{
	(void)state;
	put_all(1, 20);
	put_all(1, 40);
	write_journal("1, 2", "0, 20", 1, 20);
	assert_exported(20, 1, 0);
	write_journal("1, 2", "0, 40", 1, 20);
	assert_exported(40, 1, 0);
}

/* Without a journal the states of a newer term tell. */
static void history__abandoned_by_what_is_there(void **state)
{
	(void)state;
	put_all(1, 20);
	put((struct put){"n4", .term = 1, .step = 40, .first = 0, .end = 5});
	assert_exported(40, 1, 1);
	assert_problem(0, "journal.json");
	put((struct put){"n3", .term = 2, .step = 30, .first = 2, .end = 5});
	assert_exported(20, 1, 1);
}

static void history__of_another_run(void **state)
{
	(void)state;
	put_all(1, 40);
	write_journal("1, 2", "0, 20", 1, 20);
	write_text("run", "0000000000000007\n");
	assert_int_equal(export(), -ENODATA);
	assert_non_null(strstr(why.text, "journal.json: it is another run's"));
}

int main(void)
{
	const struct ftp_model_spec spec = {.name = "lenet5", .width = 1, .activations = true};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(newest__whole, begin, end),
		cmocka_unit_test_setup_teardown(newest__nothing, begin, end),
		cmocka_unit_test_setup_teardown(newest__units_are_missing, begin, end),
		cmocka_unit_test_setup_teardown(holders__damaged, begin, end),
		cmocka_unit_test_setup_teardown(holders__forged_length, begin, end),
		cmocka_unit_test_setup_teardown(holders__moved, begin, end),
		cmocka_unit_test_setup_teardown(holders__lies, begin, end),
		cmocka_unit_test_setup_teardown(holders__most_of_them, begin, end),
		cmocka_unit_test_setup_teardown(holders__another_run, begin, end),
		cmocka_unit_test_setup_teardown(history__abandoned, begin, end),
		cmocka_unit_test_setup_teardown(history__abandoned_by_what_is_there, begin, end),
		cmocka_unit_test_setup_teardown(history__of_another_run, begin, end),
	};
	int rc;

	if (!mkdtemp(root) || ftp_model_new(&model, &spec, NULL))
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	ftp_model_free(model);
	return rc;
}
