/* Probe: the script by which every pair of some nodes measures its link, the same on all of them.
 * Driven by calls and arrivals, so that it runs in a node and in virtual time alike.
 *
 * Pairs take turns in rounds of disjoint pairs (the circle method of round-robin tournaments), so a
 * node talks to one peer at a time, and all know the order without a word. Of a pair, the lower
 * node pings first: round-trip times, of which both take the median, without the first ones. Then
 * it sends messages of growing size, each answered by a receipt, until one takes long enough to be
 * measured well; then the other node does. The rate is bytes by time, less the round trip, as the
 * median of the largest size. A link of any speed carries no more than about 100 ms of each.
 *
 * One thread.
 */
#ifndef FTP_RUNTIME_PROBE_H
#define FTP_RUNTIME_PROBE_H

#include "runtime/netloop.h"

#define FTP_PROBE_N_MESSAGES 128 /* open at once on one connection, at most */
#define FTP_PROBE_MAX_BYTES  (4u << 20)

struct ftp_probe_result {
	uint64_t rtt_ns;
	uint64_t bytes_per_s; /* to the peer */
};

struct ftp_probe_script; /* opaque */

/* net has a link to every other of the n_nodes nodes, numbered as they are; lent, and freed before
 * the script: it sends from memory of the script. */
struct ftp_probe_script *ftp_probe_new(struct ftp_netloop *net, int n_nodes, int self);
void ftp_probe_free(struct ftp_probe_script *s);

/* Begins, as soon as it is its turn, what needs no arrival. */
void ftp_probe_serve(struct ftp_probe_script *s, uint64_t now_ns);

/* An event of the net loop. false: the link to a peer was lost that had not measured all yet. */
bool ftp_probe_event(
	struct ftp_probe_script *s, const struct ftp_netloop_event *e, uint64_t now_ns);

/* Everything is measured, and every message of ours has arrived. */
bool ftp_probe_is_done(const struct ftp_probe_script *s);

/* The peer that is waited for, for people. */
int ftp_probe_partner(const struct ftp_probe_script *s);
struct ftp_probe_result ftp_probe_result(const struct ftp_probe_script *s, int peer);

/* With whom a node measures in a round, of n_nodes - 1 or n_nodes rounds; -1: with nobody. */
int ftp_probe_partner_of(int n_nodes, int node, int round);

#endif
