/* Two links over a simulated network, turned in virtual time, with messages whose every byte is
 * checked. The memory of a message is scribbled over as soon as it is given back. */
#ifndef FTP_TESTS_NET_PAIR_H
#define FTP_TESTS_NET_PAIR_H

#include "net/link.h"
#include "net/simulated.h"
#include "runtime/base/clock.h"

#define PAIR_MAX_MESSAGES 512

struct pair_message {
	struct ftp_message_id id;
	int from; /* end */
	enum ftp_message_class class;
	uint32_t bytes;
	struct ftp_buffer buffer;
	uint8_t *source, *target;
	uint64_t epoch; /* how often it was renewed */
	bool is_sent, is_received;
	uint64_t received_ns, received_order;
};

struct pair {
	uint64_t seed;
	struct ftp_simulated *network;
	struct ftp_port *ports[2];
	struct ftp_link links[2];
	struct ftp_connection_params params[2];
	struct pair_message messages[PAIR_MAX_MESSAGES];
	int n_messages, n_done;	      /* done: sent and received */
	uint64_t n_received, done_ns; /* done_ns: when the last message was */
	bool established[2];
	enum ftp_connection_reason lost[2];
	uint64_t lost_ns[2], turn_ns;
	uint64_t busy_ns[2], next_turn_ns[2]; /* an end that computes between its turns */
};

struct pair_options {
	struct ftp_impair impair;
	uint32_t window_packets, max_payload_bytes; /* 0: 64, 16384 */
	uint32_t ring_packets;			    /* 0: twice the window, never overrun */
	uint64_t max_ack_delay_ns, idle_timeout_ns; /* 0: 1 ms, 10 s */
	uint32_t n_messages;			    /* 0: PAIR_MAX_MESSAGES */
	bool is_reliable;			    /* the port says that it does not drop */
	bool waits_for_peer;
};

/* FTP_SEED, or fallback; printed. */
uint64_t pair_seed(uint64_t fallback);

struct pair *pair_new(uint64_t seed, const struct pair_options *o);
void pair_free(struct pair *p);

/* A new message: its memory, not yet sent or posted. Returns its index. */
int pair_add(struct pair *p, int from, enum ftp_message_class class, uint32_t bytes, uint64_t step);
/* Message i once more, with new bytes: as after a new term. */
void pair_renew(struct pair *p, int i);
void pair_send(struct pair *p, int i);
void pair_post(struct pair *p, int i);

uint64_t pair_now(const struct pair *p);
/* Turns both ends once, and takes their events. */
void pair_turn(struct pair *p);
/* Moves time to what happens next, but not beyond until_ns, and turns. until_ns lies ahead. */
void pair_step(struct pair *p, uint64_t until_ns);
/* Until every message is sent and received, or until_ns. true: all done. */
bool pair_run(struct pair *p, uint64_t until_ns);
void pair_run_until(struct pair *p, uint64_t until_ns);

const struct ftp_connection_stats *pair_stats(const struct pair *p, int end);

#endif
