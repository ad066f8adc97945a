/* The checkpoint writer on a real disk, one command a line:
 *
 *   put          stores all units once; prints the nanoseconds until they are durable
 *   work N       N pieces of computation with the disk's turn between them, while one put goes on
 * and begins again when it has ended; prints the nanoseconds, and how many bytes were stored idle N
 * the same pieces with nothing to store
 *
 *   bench_checkpoint DIR N_UNITS BYTES_A_UNIT ENGINE
 *
 * ENGINE: uring, buffered (io_uring through the page cache) or thread. Before the first command a
 * put is read back and compared. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/checkpoint.h"
#include "runtime/thread_disk.h"
#include "runtime/uring_disk.h"

#define MAX_UNITS   64
#define PATIENCE_NS (60 * FTP_NS_PER_S)
#define OPS_A_TURN  4
#define WORK_FLOATS                                                                                \
	8192 /* stays in the first caches: what is measured is the disk's share of time */
#define WORK_ROUNDS 200

struct bench {
	struct ftp_disk *disk;
	struct ftp_checkpoint *store;
	struct ftp_checkpoint_entry entries[MAX_UNITS];
	uint32_t n_units;
	uint64_t step, bytes;
};

static void fail(const char *what, const char *text)
{
	fprintf(stderr, "bench_checkpoint: %s: %s\n", what, text);
	exit(1);
}

static void wait_for(struct bench *b)
{
	struct ftp_checkpoint_event e;

	while (ftp_checkpoint_is_busy(b->store)) {
		ftp_checkpoint_turn(b->store, b->disk, FTP_DISK_N_BUFFERS, PATIENCE_NS);
		if (ftp_checkpoint_event(b->store, &e) && e.outcome != FTP_CHECKPOINT_DONE)
			fail("put", e.text);
	}
}

static void begin_put(struct bench *b)
{
	b->step++;
	for (uint32_t u = 0; u < b->n_units; u++)
		b->entries[u].step = b->step;
	if (ftp_checkpoint_put(b->store, b->entries, b->n_units))
		fail("put", "refused");
}

static void init(struct bench *b, char **argv)
{
	const struct ftp_checkpoint_spec spec = {.run = 1, .keep = 1};
	uint64_t bytes = strtoull(argv[3], NULL, 10);
	bool is_thread = !strcmp(argv[4], "thread"), is_direct = strcmp(argv[4], "buffered");
	struct ftp_error err;
	int rc;

	b->n_units = (uint32_t)strtoul(argv[2], NULL, 10);
	if (!b->n_units || b->n_units > MAX_UNITS || !bytes)
		fail("arguments", "1 to 64 units of some bytes");
	b->bytes = bytes * b->n_units;
	rc = is_thread ? ftp_thread_disk_new(&b->disk, argv[1], is_direct, &err)
		       : ftp_uring_disk_new(&b->disk, argv[1], is_direct, &err);
	if (rc)
		fail("disk", err.text);
	if (ftp_checkpoint_new(&b->store, &spec, b->disk))
		fail("store", "no memory");
	wait_for(b);
	for (uint32_t u = 0; u < b->n_units; u++) {
		uint8_t *data = aligned_alloc(64, (bytes + 63) / 64 * 64);

		ftp_assert(data);
		for (uint64_t i = 0; i < bytes; i++)
			data[i] = (uint8_t)(i * 2654435761u >> 13 ^ u);
		b->entries[u] = (struct ftp_checkpoint_entry){.unit = u,
			.term = 1,
			.bytes = bytes,
			.data = data,
			.digest = ftp_digest_of(data, bytes)};
	}
}

/* The segments are there, and what is stored is what is read. */
static void check(struct bench *b)
{
	uint64_t bytes = b->entries[0].bytes;
	uint8_t *into = malloc(bytes);

	ftp_assert(into);
	for (int i = 0; i < 3; i++) {
		begin_put(b);
		wait_for(b);
	}
	for (uint32_t u = 0; u < b->n_units; u++) {
		const struct ftp_checkpoint_entry *e = &b->entries[u];
		const struct ftp_checkpoint_name name = {.run = 1,
			.term = e->term,
			.step = e->step,
			.unit = u,
			.bytes = bytes,
			.digest = e->digest};

		if (ftp_checkpoint_get(b->store, &name, into))
			fail("get", "it is not there");
		wait_for(b);
		if (memcmp(into, b->entries[u].data, bytes))
			fail("get", "it is not what was put");
	}
	free(into);
}

static void put(struct bench *b, uint64_t n)
{
	uint64_t begin = ftp_clock_now_ns();

	(void)n;
	begin_put(b);
	wait_for(b);
	printf("%" PRIu64 " %" PRIu64 "\n", ftp_clock_now_ns() - begin, b->bytes);
}

static void compute(float *x)
{
	for (int r = 0; r < WORK_ROUNDS; r++)
		for (int i = 0; i < WORK_FLOATS; i++)
			x[i] = x[i] * 0.999f + 0.5f;
	__asm__ volatile("" ::"r"(x) : "memory");
}

static void run_pieces(struct bench *b, uint64_t n, bool stores)
{
	static float x[WORK_FLOATS];
	uint64_t begin = ftp_clock_now_ns(), end, stored = 0;
	struct ftp_checkpoint_event e;

	for (uint64_t i = 0; i < n; i++) {
		if (stores && !ftp_checkpoint_is_busy(b->store))
			begin_put(b);
		compute(x);
		ftp_checkpoint_turn(b->store, b->disk, OPS_A_TURN, 0);
		if (ftp_checkpoint_event(b->store, &e))
			stored += e.bytes;
	}
	end = ftp_clock_now_ns();
	wait_for(b);
	printf("%" PRIu64 " %" PRIu64 "\n", end - begin, stored);
}

static void work(struct bench *b, uint64_t n)
{
	run_pieces(b, n, true);
}

static void idle(struct bench *b, uint64_t n)
{
	run_pieces(b, n, false);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(struct bench *b, uint64_t n);
	} commands[] = {{"put", put}, {"work", work}, {"idle", idle}};
	static struct bench b;
	char line[64], name[16];
	uint64_t n = 0;

	if (argc != 5)
		fail("usage", "DIR N_UNITS BYTES_A_UNIT uring|buffered|thread");
	init(&b, argv);
	check(&b);
	printf("ready %s direct=%d registered=%d\n", b.disk->mode.engine, b.disk->mode.is_direct,
		b.disk->mode.has_registered_buffers);
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin) && sscanf(line, "%15s %" SCNu64, name, &n) >= 1) {
		for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
			if (!strcmp(name, commands[i].name))
				commands[i].run(&b, n);
		fflush(stdout);
	}
	ftp_checkpoint_free(b.store);
	b.disk->ops->free(b.disk);
	for (uint32_t u = 0; u < b.n_units; u++)
		free((void *)b.entries[u].data);
	return 0;
}
