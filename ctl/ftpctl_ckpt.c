/* Checkpoint directories: what is in them, and whether it is whole. */
#include <errno.h>
#include <inttypes.h>

#include "ctl/ftpctl.h"
#include "ctl/units.h"
#include "runtime/checkpoint_dir.h"

struct view {
	struct ftp_checkpoint_totals totals;
	uint32_t n_bad;
};

static int fail(const struct ftp_options *o, int rc, const struct ftp_error *err)
{
	if (rc == -EBADMSG)
		return ftp_ftpctl_fail(o, FTP_EXIT_DEGRADED, err->text);
	return ftp_ftpctl_fail(o, (enum ftp_exit)ftp_options_exit(rc), err->text);
}

static struct view look(const struct ftp_checkpoint_dir *d)
{
	struct view v = {.n_bad = 0};
	enum ftp_checkpoint_record_state state;

	ftp_checkpoint_totals(d->store, &v.totals);
	for (uint32_t i = 0; i < v.totals.n_records; i++) {
		ftp_checkpoint_record_at(d->store, i, &state);
		v.n_bad += state != FTP_CHECKPOINT_GOOD;
	}
	return v;
}

/* A power cut tears one slot at most, and the other one holds the checkpoint: that is no damage. */
static bool is_whole(const struct view *v)
{
	return !v->n_bad && (v->totals.slots[0] == FTP_CHECKPOINT_SLOT_WHOLE ||
				    v->totals.slots[1] == FTP_CHECKPOINT_SLOT_WHOLE ||
				    v->totals.slots[0] == FTP_CHECKPOINT_SLOT_BLANK ||
				    v->totals.slots[1] == FTP_CHECKPOINT_SLOT_BLANK);
}

static json_t *record_json(
	const struct ftp_checkpoint_record *r, enum ftp_checkpoint_record_state state)
{
	char digest[FTP_DIGEST_HEX];

	ftp_digest_hex(r->name.digest, digest);
	return json_pack("{s:I, s:I, s:I, s:I, s:s, s:I, s:I, s:s, s:b}", "unit",
		(json_int_t)r->name.unit, "step", (json_int_t)r->name.step, "term",
		(json_int_t)r->name.term, "bytes", (json_int_t)r->name.bytes, "digest", digest,
		"segment", (json_int_t)r->segment, "offset", (json_int_t)r->offset, "state",
		ftp_checkpoint_record_state_name(state), "good", state == FTP_CHECKPOINT_GOOD);
}

static void print_json(const struct ftp_checkpoint_dir *d, const struct view *v, bool is_verified)
{
	json_t *records = json_array();
	enum ftp_checkpoint_record_state state;
	char run[32];

	snprintf(run, sizeof(run), "%016" PRIx64, v->totals.run);
	for (uint32_t i = 0; i < v->totals.n_records; i++) {
		const struct ftp_checkpoint_record *r =
			ftp_checkpoint_record_at(d->store, i, &state);

		json_array_append_new(records, record_json(r, state));
	}
	ftp_ftpctl_print_json(json_pack(
		"{s:b, s:i, s:b, s:s, s:I, s:[s,s], s:i, s:I, s:I, s:i, s:i, s:o}", "ok",
		is_whole(v), "version", FTP_CHECKPOINT_VERSION, "verified", is_verified, "run", run,
		"sequence", (json_int_t)v->totals.sequence, "slots",
		ftp_checkpoint_slot_state_name(v->totals.slots[0]),
		ftp_checkpoint_slot_state_name(v->totals.slots[1]), "segments",
		(int)v->totals.n_segments, "capacity_bytes", (json_int_t)v->totals.capacity_bytes,
		"live_bytes", (json_int_t)v->totals.live_bytes, "bad_records", (int)v->n_bad,
		"other_files", (int)v->totals.n_strange_files, "records", records));
}

static void print_table(const struct ftp_checkpoint_dir *d, const struct view *v, bool is_verified)
{
	char live[32], capacity[32], digest[FTP_DIGEST_HEX];
	enum ftp_checkpoint_record_state state;

	ftp_units_print(FTP_UNITS_SIZE, v->totals.live_bytes, live, sizeof(live));
	ftp_units_print(FTP_UNITS_SIZE, v->totals.capacity_bytes, capacity, sizeof(capacity));
	printf("run %016" PRIx64 ", manifest %" PRIu64 " (slots: %s, %s), %u records of %s in %u "
	       "segments of %s\n",
		v->totals.run, v->totals.sequence,
		ftp_checkpoint_slot_state_name(v->totals.slots[0]),
		ftp_checkpoint_slot_state_name(v->totals.slots[1]), v->totals.n_records, live,
		v->totals.n_segments, capacity);
	if (v->totals.n_records)
		printf("%5s %8s %6s %12s  %-32s  %s\n", "unit", "step", "term", "bytes", "digest",
			"state");
	for (uint32_t i = 0; i < v->totals.n_records; i++) {
		const struct ftp_checkpoint_name *name =
			&ftp_checkpoint_record_at(d->store, i, &state)->name;

		ftp_digest_hex(name->digest, digest);
		printf("%5u %8" PRIu64 " %6" PRIu64 " %12" PRIu64 "  %s  %s\n", name->unit,
			name->step, name->term, name->bytes, digest,
			ftp_checkpoint_record_state_name(state));
	}
	printf("%s: %u of %u records are damaged\n", is_verified ? "verified" : "headers only",
		v->n_bad, v->totals.n_records);
}

static int show(const struct ftp_options *o, enum ftp_checkpoint_dir_mode mode)
{
	bool is_verified = mode == FTP_CHECKPOINT_DIR_VERIFY;
	struct ftp_checkpoint_dir d;
	struct ftp_error err;
	struct view v;
	int rc = ftp_checkpoint_dir_open(&d, o->operands[0], mode, &err);

	if (rc)
		return fail(o, rc, &err);
	v = look(&d);
	if (o->json)
		print_json(&d, &v, is_verified);
	else
		print_table(&d, &v, is_verified);
	ftp_checkpoint_dir_close(&d);
	return is_whole(&v) ? FTP_EXIT_OK : FTP_EXIT_DEGRADED;
}

int ftp_ftpctl_ckpt_list(const struct ftp_options *o)
{
	return show(o, FTP_CHECKPOINT_DIR_LOOK);
}

int ftp_ftpctl_ckpt_verify(const struct ftp_options *o)
{
	return show(o, FTP_CHECKPOINT_DIR_VERIFY);
}

int ftp_ftpctl_ckpt_gc(const struct ftp_options *o)
{
	struct ftp_checkpoint_dir d;
	struct ftp_error err;
	int rc = ftp_checkpoint_dir_open(&d, o->operands[0], FTP_CHECKPOINT_DIR_WRITE, &err);

	if (rc)
		return fail(o, rc, &err);
	rc = ftp_checkpoint_dir_trim(&d, &err);
	ftp_checkpoint_dir_close(&d);
	if (rc < 0)
		return fail(o, rc, &err);
	if (o->json)
		ftp_ftpctl_print_json(json_pack("{s:b, s:i}", "ok", 1, "removed_segments", rc));
	else
		printf("%d segments removed\n", rc);
	return FTP_EXIT_OK;
}
