/* A run's directory for the tests of export: checkpoints of nodes, damaged or forged, and a
 * journal.
 */
#ifndef FTP_TESTS_RUNTIME_EXPORT_SITE_H
#define FTP_TESTS_RUNTIME_EXPORT_SITE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernels/model.h"
#include "runtime/checkpoint_dir.h"
#include "runtime/plain_disk.h"
#include "tests/base/check.h"

#define RUN	0xabcu
#define N_UNITS 5

static char root[] = "test-export-XXXXXX";
static struct ftp_model *model;

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

/* Records of unit 0 after steps 1 ... n, each of a term of its own, and all but the first of a
 * length that no state has. */
static void put_records(const char *node, uint32_t n)
{
	static struct manifest x;
	static uint8_t slot[FTP_CHECKPOINT_SLOT_BYTES], header[FTP_CHECKPOINT_HEADER_BYTES];
	static const uint8_t zeros[64];
	char path[128];
	struct stat st;

	put((struct put){node, .term = 1, .step = 1, .first = 0, .end = 1});
	read_manifest(&x, node);
	snprintf(path, sizeof(path), "%s/checkpoint/%s/segment-%08x", root, node,
		x.m.records[0].segment);
	assert_int_equal(stat(path, &st), 0);
	for (; x.m.n_records < n; x.m.n_records++) {
		struct ftp_checkpoint_record *r = &x.m.records[x.m.n_records];

		*r = x.m.records[0];
		r->name.step = r->name.term = x.m.n_records + 1;
		r->name.bytes = sizeof(zeros);
		r->name.digest = ftp_digest_of(zeros, sizeof(zeros));
		r->offset = (uint64_t)st.st_size + x.m.n_records * FTP_CHECKPOINT_BLOCK;
		ftp_checkpoint_format_header(header, &r->name);
		write_at(path, r->offset, header, sizeof(header));
	}
	assert_int_equal(truncate(path, st.st_size + (off_t)n * FTP_CHECKPOINT_BLOCK), 0);
	x.m.sequence++;
	n = ftp_checkpoint_format_manifest(slot, &x.m);
	write_at(x.path, (uint64_t)x.slot * FTP_CHECKPOINT_SLOT_BYTES, slot, n);
}

#endif
