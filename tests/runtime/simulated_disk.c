#include "tests/runtime/simulated_disk.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/error.h"
#include "runtime/base/prng.h"
#include "tests/runtime/simulated_image.h"

enum item_kind { ITEM_SECTOR, ITEM_CREATED, ITEM_REMOVED };

struct item {
	enum item_kind kind;
	uint32_t file;
	bool is_completed; /* before which no sync covers it */
	uint32_t tag;
	uint64_t offset;
	uint8_t data[SIMULATED_SECTOR];
};

struct waiting {
	struct ftp_disk_completion done;
	bool is_slow, is_hung;
};

struct simulated_disk {
	struct ftp_disk seam; /* first */
	struct simulated_image now, durable;
	struct item *items;
	uint32_t n_items, room;
	uint32_t open[FTP_DISK_MAX_FILES]; /* 1 + place; 0: not open */
	struct waiting waiting[FTP_DISK_N_BUFFERS];
	uint32_t n_waiting;
	uint64_t key, n_draws, n_ops, capacity;
	struct simulated_fault fault;
	_Atomic bool is_mended; /* by another thread, which this one has not looked at yet */
	unsigned left_out;
};

static uint64_t draw(struct simulated_disk *d, uint64_t n)
{
	return ftp_prng_below(d->key, d->n_draws++, n);
}

static struct item *add_item(struct simulated_disk *d, enum item_kind kind, uint32_t file)
{
	if (d->n_items == d->room) {
		d->room = d->room ? 2 * d->room : 64;
		d->items = realloc(d->items, d->room * sizeof(d->items[0]));
		ftp_assert(d->items);
	}
	d->items[d->n_items] = (struct item){.kind = kind, .file = file};
	return &d->items[d->n_items++];
}

static void apply(struct simulated_image *image, const struct item *item)
{
	struct simulated_file *f = &image->files[item->file];

	if (item->kind == ITEM_SECTOR)
		simulated_file_put(f, item->offset, item->data, SIMULATED_SECTOR);
	else
		f->exists = item->kind == ITEM_CREATED;
}

static bool covers(
	const struct simulated_disk *d, const struct ftp_disk_op *op, const struct item *i)
{
	if (!i->is_completed)
		return false;
	if (op->kind == FTP_DISK_SYNC_DIR)
		return i->kind != ITEM_SECTOR;
	return i->kind == ITEM_SECTOR && i->file + 1 == d->open[op->file];
}

/* What it covers becomes durable, or is lost for ever. */
static void settle(struct simulated_disk *d, const struct ftp_disk_op *op, bool is_lost)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < d->n_items; i++) {
		if (!covers(d, op, &d->items[i]))
			d->items[n++] = d->items[i];
		else if (!is_lost)
			apply(&d->durable, &d->items[i]);
	}
	d->n_items = n;
}

static bool is_left_out(const struct simulated_disk *d, const struct ftp_disk_op *op)
{
	unsigned kind = SIMULATED_NO_DIRECTORY_SYNC;

	if (op->kind == FTP_DISK_SYNC)
		kind = strcmp(d->now.files[d->open[op->file] - 1].name, "manifest")
			       ? SIMULATED_NO_SEGMENT_SYNC
			       : SIMULATED_NO_MANIFEST_SYNC;
	return d->left_out & kind;
}

static int64_t do_sync(struct simulated_disk *d, const struct ftp_disk_op *op)
{
	if (!is_left_out(d, op))
		settle(d, op, false);
	return 0;
}

static int64_t do_attach(struct simulated_disk *d, const struct ftp_disk_op *op)
{
	(void)op;
	return d->seam.mode.is_direct;
}

static int64_t do_open(struct simulated_disk *d, const struct ftp_disk_op *op)
{
	int found = simulated_image_find(&d->now, op->name);

	if (found < 0) {
		struct simulated_file *f = &d->now.files[d->now.n_files];

		if (op->kind == FTP_DISK_OPEN)
			return -ENOENT;
		ftp_assert(d->now.n_files < SIMULATED_MAX_FILES);
		*f = (struct simulated_file){.exists = true};
		strcpy(f->name, op->name);
		d->durable.files[d->now.n_files] = (struct simulated_file){.exists = false};
		strcpy(d->durable.files[d->now.n_files].name, op->name);
		add_item(d, ITEM_CREATED, d->now.n_files)->tag = op->tag;
		found = (int)d->now.n_files++;
		d->durable.n_files = d->now.n_files;
	}
	d->open[op->file] = 1 + (uint32_t)found;
	return (int64_t)d->now.files[found].bytes;
}

static int64_t do_list(struct simulated_disk *d, const struct ftp_disk_op *op)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < d->now.n_files; i++) {
		const struct simulated_file *f = &d->now.files[i];

		if (!f->exists)
			continue;
		if (n < op->max_entries) {
			strcpy(op->entries[n].name, f->name);
			op->entries[n].bytes = f->bytes;
		}
		n++;
	}
	return n;
}

static int64_t do_read(struct simulated_disk *d, const struct ftp_disk_op *op)
{
	const struct simulated_file *f = &d->now.files[d->open[op->file] - 1];
	uint64_t bytes = op->offset < f->bytes ? f->bytes - op->offset : 0;

	bytes = bytes < op->bytes ? bytes : op->bytes;
	simulated_file_get(
		f, op->offset, ftp_disk_buffer(&d->seam, op->buffer) + op->buffer_offset, bytes);
	return (int64_t)bytes;
}

static int64_t write_part(struct simulated_disk *d, const struct ftp_disk_op *op, bool is_torn)
{
	uint32_t place = d->open[op->file] - 1;
	struct simulated_file *f = &d->now.files[place];
	const uint8_t *data = ftp_disk_buffer(&d->seam, op->buffer) + op->buffer_offset;
	uint64_t end = op->offset + op->bytes;

	if (d->capacity && end > f->bytes && simulated_disk_bytes(d) + end - f->bytes > d->capacity)
		return -ENOSPC;
	for (uint32_t at = 0; at < op->bytes; at += SIMULATED_SECTOR) {
		struct item *item;

		if (is_torn && draw(d, 2))
			continue;
		simulated_file_put(f, op->offset + at, data + at, SIMULATED_SECTOR);
		item = add_item(d, ITEM_SECTOR, place);
		item->offset = op->offset + at;
		item->tag = op->tag;
		memcpy(item->data, data + at, SIMULATED_SECTOR);
	}
	return op->bytes;
}

static int64_t do_write(struct simulated_disk *d, const struct ftp_disk_op *op)
{
	return write_part(d, op, false);
}

static int64_t do_remove(struct simulated_disk *d, const struct ftp_disk_op *op)
{
	int found = simulated_image_find(&d->now, op->name);

	d->open[op->file] = 0;
	if (found < 0)
		return -ENOENT;
	d->now.files[found].exists = false;
	simulated_file_resize(&d->now.files[found], 0);
	add_item(d, ITEM_REMOVED, (uint32_t)found)->tag = op->tag;
	return 0;
}

static int64_t execute(struct simulated_disk *d, const struct ftp_disk_op *op)
{
	static int64_t (*const does[FTP_DISK_N_KINDS])(struct simulated_disk *,
		const struct ftp_disk_op *) = {[FTP_DISK_ATTACH] = do_attach,
		[FTP_DISK_LIST] = do_list,
		[FTP_DISK_OPEN] = do_open,
		[FTP_DISK_CREATE] = do_open,
		[FTP_DISK_READ] = do_read,
		[FTP_DISK_WRITE] = do_write,
		[FTP_DISK_SYNC] = do_sync,
		[FTP_DISK_SYNC_DIR] = do_sync,
		[FTP_DISK_REMOVE] = do_remove};

	return does[op->kind](d, op);
}

static int64_t execute_short(struct simulated_disk *d, const struct ftp_disk_op *op)
{
	struct ftp_disk_op part = *op;

	if (op->kind != FTP_DISK_READ && op->kind != FTP_DISK_WRITE)
		return execute(d, op);
	part.bytes = op->bytes > FTP_DISK_BLOCK
			     ? op->bytes / 2 / SIMULATED_SECTOR * SIMULATED_SECTOR
			     : SIMULATED_SECTOR;
	return execute(d, &part);
}

static int64_t execute_faulty(struct simulated_disk *d, const struct ftp_disk_op *op)
{
	if (d->fault.kind == SIMULATED_IS_SHORT)
		return execute_short(d, op);
	if (d->fault.kind == SIMULATED_IS_SLOW || d->fault.kind == SIMULATED_HANGS)
		return execute(d, op);
	if (d->fault.kind == SIMULATED_TEARS && op->kind == FTP_DISK_WRITE)
		write_part(d, op, true);
	if (d->fault.kind == SIMULATED_LOSES && op->kind == FTP_DISK_SYNC)
		settle(d, op, true);
	if (d->fault.kind == SIMULATED_DOES)
		execute(d, op);
	return -d->fault.error;
}

static void look_at_mended(struct simulated_disk *d)
{
	if (atomic_load_explicit(&d->is_mended, memory_order_relaxed) &&
		atomic_exchange(&d->is_mended, false))
		d->fault.kind = SIMULATED_NONE;
}

static void submit(struct ftp_disk *seam, const struct ftp_disk_op *op)
{
	struct simulated_disk *d = (struct simulated_disk *)seam;
	struct waiting *w = &d->waiting[d->n_waiting];
	bool is_faulty;

	look_at_mended(d);
	is_faulty = d->fault.kind && d->n_ops - d->fault.first < d->fault.n;
	ftp_assert(d->n_waiting < FTP_DISK_N_BUFFERS && op->file < FTP_DISK_MAX_FILES);
	ftp_assert(op->offset % FTP_DISK_BLOCK == 0 && op->bytes % FTP_DISK_BLOCK == 0);
	ftp_assert(op->buffer_offset + op->bytes <= FTP_DISK_BUFFER_BYTES);
	ftp_assert((op->kind != FTP_DISK_READ && op->kind != FTP_DISK_WRITE &&
			   op->kind != FTP_DISK_SYNC) ||
		   d->open[op->file]);
	d->n_ops++;
	d->n_waiting++;
	*w = (struct waiting){.done = {.tag = op->tag}};
	w->is_slow = is_faulty && d->fault.kind == SIMULATED_IS_SLOW;
	w->is_hung = is_faulty && d->fault.kind == SIMULATED_HANGS;
	w->done.result = is_faulty ? execute_faulty(d, op) : execute(d, op);
}

static void complete(struct simulated_disk *d, uint32_t tag)
{
	for (uint32_t i = 0; i < d->n_items; i++)
		if (d->items[i].tag == tag)
			d->items[i].is_completed = true;
}

static bool is_hung(const struct simulated_disk *d, uint32_t i)
{
	return d->waiting[i].is_hung && d->fault.kind == SIMULATED_HANGS;
}

static int reap(
	struct ftp_disk *seam, struct ftp_disk_completion *out, int max, uint64_t timeout_ns)
{
	struct simulated_disk *d = (struct simulated_disk *)seam;
	uint32_t i;

	(void)timeout_ns;
	look_at_mended(d);
	if (!d->n_waiting || max < 1)
		return 0;
	i = (uint32_t)draw(d, d->n_waiting);
	for (uint32_t n = 0; n < d->n_waiting && (d->waiting[i].is_slow || is_hung(d, i)); n++)
		i = (i + 1) % d->n_waiting;
	if (is_hung(d, i))
		return 0;
	*out = d->waiting[i].done;
	d->waiting[i] = d->waiting[--d->n_waiting];
	complete(d, out->tag);
	return 1;
}

/* Crash states come and go by the hundred thousand: their buffers are kept, not mapped anew. */
static uint8_t *spare_buffers;

static uint8_t *new_buffers(void)
{
	uint8_t *buffers = spare_buffers;

	spare_buffers = NULL;
	if (!buffers)
		buffers = aligned_alloc(
			FTP_DISK_BLOCK, (size_t)FTP_DISK_N_BUFFERS * FTP_DISK_BUFFER_BYTES);
	ftp_assert(buffers);
	return buffers;
}

static void free_seam(struct ftp_disk *seam)
{
	struct simulated_disk *d = (struct simulated_disk *)seam;

	simulated_image_drop(&d->now);
	simulated_image_drop(&d->durable);
	free(d->items);
	free(spare_buffers);
	spare_buffers = seam->buffers;
	free(d);
}

struct simulated_disk *simulated_disk_new(uint64_t seed)
{
	static const struct ftp_disk_ops ops = {submit, reap, free_seam};
	struct simulated_disk *d = calloc(1, sizeof(*d));

	ftp_assert(d);
	d->seam = (struct ftp_disk){.ops = &ops, .mode = {.engine = "simulated"}};
	d->seam.buffers = new_buffers();
	d->key = ftp_prng_key(seed, FTP_PRNG_FAULT, 0);
	return d;
}

void simulated_disk_free(struct simulated_disk *d)
{
	free_seam(&d->seam);
}

struct ftp_disk *simulated_disk_seam(struct simulated_disk *d)
{
	return &d->seam;
}

void simulated_disk_fault(struct simulated_disk *d, struct simulated_fault fault)
{
	d->fault = fault;
}

void simulated_disk_mend(struct simulated_disk *d)
{
	d->is_mended = true;
}

void simulated_disk_capacity(struct simulated_disk *d, uint64_t bytes)
{
	d->capacity = bytes;
}

void simulated_disk_leave_out(struct simulated_disk *d, unsigned syncs)
{
	d->left_out = syncs;
}

uint64_t simulated_disk_n_ops(const struct simulated_disk *d)
{
	return d->n_ops;
}

uint64_t simulated_disk_bytes(const struct simulated_disk *d)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < d->now.n_files; i++)
		bytes += d->now.files[i].exists ? d->now.files[i].bytes : 0;
	return bytes;
}

/* It would change nothing, and nothing that comes before or after it has the same place. */
static bool is_void(const struct simulated_disk *d, const struct item *item)
{
	const struct simulated_file *f = &d->durable.files[item->file];
	uint8_t sector[SIMULATED_SECTOR];

	if (item->kind != ITEM_SECTOR || item->offset + SIMULATED_SECTOR > f->bytes)
		return false;
	simulated_file_get(f, item->offset, sector, SIMULATED_SECTOR);
	if (memcmp(sector, item->data, SIMULATED_SECTOR))
		return false;
	for (const struct item *i = d->items; i < d->items + d->n_items; i++)
		if (i != item && i->kind == ITEM_SECTOR && i->file == item->file &&
			i->offset == item->offset)
			return false;
	return true;
}

uint32_t simulated_disk_n_pending(const struct simulated_disk *d)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < d->n_items; i++)
		n += !is_void(d, &d->items[i]);
	return n;
}

struct simulated_disk *simulated_disk_after_cut(
	const struct simulated_disk *d, const bool *happened, uint64_t seed)
{
	struct simulated_disk *after = simulated_disk_new(seed);

	simulated_image_copy(&after->durable, &d->durable);
	for (uint32_t i = 0, n = 0; i < d->n_items; i++)
		if (!is_void(d, &d->items[i]) && happened[n++])
			apply(&after->durable, &d->items[i]);
	simulated_image_copy(&after->now, &after->durable);
	return after;
}

struct simulated_disk *simulated_disk_after_kill(const struct simulated_disk *d, uint64_t seed)
{
	struct simulated_disk *after = simulated_disk_new(seed);

	simulated_image_copy(&after->durable, &d->durable);
	simulated_image_copy(&after->now, &d->now);
	for (uint32_t i = 0; i < d->n_items; i++) {
		*add_item(after, d->items[i].kind, d->items[i].file) = d->items[i];
		after->items[i].is_completed = true;
	}
	after->left_out = d->left_out;
	return after;
}

void simulated_disk_flip(struct simulated_disk *d, const char *name, uint64_t bit)
{
	struct simulated_image *const images[] = {&d->now, &d->durable};

	for (int i = 0; i < 2; i++) {
		int place = simulated_image_find(images[i], name);

		if (place >= 0)
			simulated_file_flip(&images[i]->files[place], bit);
	}
}

uint64_t simulated_disk_file(const struct simulated_disk *d, const char *name, uint8_t **bytes)
{
	int place = simulated_image_find(&d->now, name);
	const struct simulated_file *f = &d->now.files[place < 0 ? 0 : place];

	*bytes = NULL;
	if (place < 0)
		return 0;
	*bytes = malloc(f->bytes + 1);
	ftp_assert(*bytes);
	simulated_file_get(f, 0, *bytes, f->bytes);
	return f->bytes;
}

void simulated_disk_remove(struct simulated_disk *d, const char *name)
{
	int place = simulated_image_find(&d->now, name);

	ftp_assert(place >= 0);
	d->now.files[place].exists = d->durable.files[place].exists = false;
}

void simulated_disk_put_file(
	struct simulated_disk *d, const char *name, const void *data, uint64_t bytes)
{
	struct ftp_disk_op op = {.kind = FTP_DISK_CREATE, .file = FTP_DISK_MAX_FILES - 1};
	struct simulated_file *f;

	strcpy(op.name, name);
	do_open(d, &op);
	f = &d->now.files[d->open[op.file] - 1];
	simulated_file_resize(f, 0);
	for (uint64_t at = 0; at < bytes; at += SIMULATED_SECTOR)
		simulated_file_put(f, at, (const uint8_t *)data + at,
			(uint32_t)(bytes - at < SIMULATED_SECTOR ? bytes - at : SIMULATED_SECTOR));
	d->n_items = 0;
	simulated_image_drop(&d->durable);
	simulated_image_copy(&d->durable, &d->now);
}
