/* Contestants of the transport bench: two processes, one sends and one receives, each on its own
 * core. The parent receives and measures; a socket pair keeps the two in step. */
#ifndef FTP_PERF_NET_BENCH_H
#define FTP_PERF_NET_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#define N_TENSORS	16
#define ARENA_BYTES	(64u << 20) /* of tensors; as many of one size as fit, at most N_TENSORS */
#define MAX_ROUND_TRIPS 4000

struct size {
	uint32_t bytes;
	uint32_t n; /* messages of the goodput phase, round trips of the latency phase */
};

extern const struct size goodput_sizes[3], latency_sizes[2];

struct result {
	double goodput_gb_s[3];	    /* payload, per second of wall time */
	double latency_us[2][2];    /* one way: median, 99th percentile */
	double core_seconds_per_gb; /* of 1 MB messages, both processes */
	double copied_tx,
		copied_rx;    /* bytes that our code copied per byte of payload; -1: not ours */
	double port_copies;   /* by the port, both ends; -1: not ours */
	double idle_cpu;      /* share of a core, both ends idle, the larger; -1: not measured */
	double wake_us;	      /* one way, median, to a peer that sleeps; -1: not measured */
	double retransmitted; /* packets, of those sent */
};

/* The peer of this process, and its memory. */
struct bench {
	bool sender;
	int control; /* socket pair to the other process */
	int parent;  /* pid, names what the two share */
	uint8_t *arena;
};

int tcp_run(const struct bench *b, struct result *r);
int memif_run(const struct bench *b, struct result *r);
int udp_run(const struct bench *b, struct result *r);
int raw_run(const struct bench *b, struct result *r);

/* Both processes wait here for the other; exchanges one number. */
double meet(const struct bench *b, double mine);

uint32_t n_tensors(uint32_t bytes);
void fill_tensor(uint8_t *tensor, uint32_t bytes, uint64_t draw);
bool is_tensor(const uint8_t *tensor, uint32_t bytes, uint64_t draw);

/* With FTP_BENCH_REALTIME set: this thread goes before all others of the machine from here on. Not
 * earlier: DPDK spins on threads of its own while it starts. */
int go_realtime(void);

double cpu_seconds(void); /* of this process */
void percentiles(double *us, uint32_t n, double out[2]);

#endif
