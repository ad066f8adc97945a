#include "net/congestion.h"

static uint64_t minimum_bytes(const struct ftp_congestion *c)
{
	return 2ull * c->datagram_bytes;
}

void ftp_congestion_init(struct ftp_congestion *c, uint32_t datagram_bytes)
{
	uint64_t floor_bytes = 2ull * datagram_bytes;

	*c = (struct ftp_congestion){
		.datagram_bytes = datagram_bytes,
		.threshold_bytes = UINT64_MAX,
	};
	/* Section 7.2. */
	c->window_bytes = 10ull * datagram_bytes;
	if (floor_bytes < 14720)
		floor_bytes = 14720;
	if (c->window_bytes > floor_bytes)
		c->window_bytes = floor_bytes;
}

static bool is_in_recovery(const struct ftp_congestion *c, uint64_t sent_ns)
{
	return c->has_recovered && sent_ns <= c->recovery_start_ns;
}

void ftp_congestion_acked(
	struct ftp_congestion *c, uint32_t bytes, uint64_t sent_ns, bool was_limited)
{
	c->in_flight_bytes -= bytes;
	if (!was_limited || is_in_recovery(c, sent_ns))
		return;
	if (c->window_bytes < c->threshold_bytes)
		c->window_bytes += bytes;
	else
		c->window_bytes += (uint64_t)c->datagram_bytes * bytes / c->window_bytes;
}

void ftp_congestion_lost(
	struct ftp_congestion *c, uint32_t bytes, uint64_t sent_ns, uint64_t now_ns)
{
	c->in_flight_bytes -= bytes;
	if (is_in_recovery(c, sent_ns))
		return;
	c->has_recovered = true;
	c->recovery_start_ns = now_ns;
	c->threshold_bytes = c->window_bytes / 2;
	c->window_bytes = c->threshold_bytes;
	if (c->window_bytes < minimum_bytes(c))
		c->window_bytes = minimum_bytes(c);
}

void ftp_congestion_collapse(struct ftp_congestion *c)
{
	c->window_bytes = minimum_bytes(c);
	c->has_recovered = false;
}
