/* How the checkpointer opens its store: when the node starts, and anew when the directory was
 * removed under it. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/checkpointer_state.h"

/* The operations of a process that was killed may hold its lock a little longer than it lived. */
#define LOCK_NS	     (2 * FTP_NS_PER_S)
#define LOCK_LOOK_NS (10 * FTP_NS_PER_MS)

void ftp_checkpointer_count(struct ftp_checkpointer *k)
{
	struct ftp_checkpoint_totals t;
	enum ftp_checkpoint_record_state state;

	ftp_checkpoint_totals(k->store, &t);
	k->stats.live_bytes = t.live_bytes;
	k->stats.capacity_bytes = t.capacity_bytes;
	k->stats.n_damaged = 0;
	k->n_unreadable = 0;
	for (uint32_t i = 0; i < t.n_records; i++) {
		ftp_checkpoint_record_at(k->store, i, &state);
		k->stats.n_damaged += state != FTP_CHECKPOINT_GOOD;
		k->n_unreadable += state == FTP_CHECKPOINT_UNREADABLE;
	}
}

static void say_what_is_there(struct ftp_checkpointer *k)
{
	struct ftp_checkpoint_totals t;

	ftp_checkpointer_set_usable(k, true);
	ftp_checkpointer_count(k);
	ftp_checkpoint_totals(k->store, &t);
	ftp_log_info("checkpoint: %s: %s%s%s; %u unit states of %.1f MB are there", k->directory,
		k->stats.mode.engine, k->stats.mode.is_direct ? ", past the page cache" : "",
		k->stats.mode.has_registered_buffers ? ", registered buffers" : "", t.n_records,
		(double)t.live_bytes / 1e6);
	if (t.slots[0] == FTP_CHECKPOINT_SLOT_TORN && t.slots[1] == FTP_CHECKPOINT_SLOT_TORN)
		ftp_log_warn("checkpoint: %s: no manifest is whole: what was there is lost",
			k->directory);
}

void ftp_checkpointer_opened(struct ftp_checkpointer *k, const struct ftp_checkpoint_event *e)
{
	k->stats.mode = k->disk->mode;
	k->is_open = e->outcome == FTP_CHECKPOINT_DONE;
	k->stats.lacks_direct =
		k->is_open && k->direct == FTP_DIRECT_ON && !k->stats.mode.is_direct;
	if (!k->is_open || k->stats.lacks_direct) {
		ftp_error_set(&k->why, EIO, "%s",
			k->is_open ? "checkpoint.direct is on, but the file system has no direct "
				     "access (O_DIRECT): set it to auto"
				   : e->text);
		ftp_checkpointer_give_up(k);
		return;
	}
	if (k->direct != FTP_DIRECT_OFF && !k->stats.mode.is_direct)
		ftp_log_warn("checkpoint: %s: the file system has no direct access (O_DIRECT): "
			     "writes go through the page cache",
			k->directory);
	say_what_is_there(k);
}

static bool is_locked(const struct ftp_checkpoint_event *e)
{
	return e->outcome == FTP_CHECKPOINT_IO_ERROR && e->error == -EBUSY;
}

/* By its manifest, so that a node with however much on however slow a disk can join. */
static int begin_opening(struct ftp_checkpointer *k)
{
	const struct ftp_checkpoint_spec spec = {.run = k->run,
		.keep = k->keep,
		.max_bytes = k->max_bytes,
		.depth = FTP_CHECKPOINT_READ_MANIFEST};
	int rc = ftp_checkpoint_new(&k->store, &spec, k->disk);

	k->looked_ns = k->moved_ns = ftp_clock_now_ns();
	if (!rc)
		return 0;
	ftp_error_set(&k->why, -rc, "%s", strerror(-rc));
	ftp_checkpointer_give_up(k);
	return rc;
}

/* The answers of a disk that is hung are taken when they come. */
static void open_store(struct ftp_checkpointer *k)
{
	uint64_t begin_ns = ftp_clock_now_ns();
	struct ftp_checkpoint_event e;

	for (;;) {
		if (begin_opening(k) || !ftp_checkpointer_await(k, &e))
			return;
		if (!is_locked(&e) || ftp_clock_now_ns() > begin_ns + LOCK_NS)
			break;
		ftp_checkpoint_free(k->store);
		ftp_clock_sleep_ns(LOCK_LOOK_NS);
	}
	ftp_checkpointer_opened(k, &e);
}

void ftp_checkpointer_open_anew(struct ftp_checkpointer *k)
{
	ftp_log_warn("checkpoint: %s: it was removed while the node used it: what this node had "
		     "put there is lost; it is opened anew",
		k->directory);
	ftp_checkpoint_free(k->store);
	k->is_open = k->is_checked = false;
	k->n_damaged = k->n_unreadable = 0;
	k->stats.step = 0;
	ftp_error_set(&k->why, EAGAIN, "what is on the disk is being looked at");
	ftp_checkpointer_set_usable(k, false);
	begin_opening(k);
}

struct ftp_checkpointer *ftp_checkpointer_new(const struct ftp_checkpointer_spec *spec)
{
	struct ftp_checkpointer *k = calloc(1, sizeof(*k));

	ftp_assert(k);
	k->spec = *spec;
	k->disk = spec->disk;
	k->direct = spec->config->direct;
	k->keep = spec->config->keep;
	k->max_bytes = spec->config->max_bytes;
	k->directory = strdup(spec->directory);
	ftp_assert(k->directory);
	if (k->disk) {
		k->stats.mode = k->disk->mode;
		open_store(k);
	} else {
		ftp_error_set(&k->why, EIO, "%s", spec->why);
		ftp_checkpointer_give_up(k);
	}
	return k;
}

void ftp_checkpointer_claim(struct ftp_checkpointer *k, uint64_t run)
{
	k->run = run;
	if (!k->store || ftp_checkpoint_claim(k->store, run))
		return;
	ftp_error_set(&k->why, EEXIST, "it is another run's");
	ftp_checkpointer_give_up(k);
}
