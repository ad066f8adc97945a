#include "net/loss.h"

#include "runtime/base/clock.h"

static uint64_t max64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t min64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void ftp_loss_init(struct ftp_loss *l)
{
	/* Section 5.3: before any sample. */
	*l = (struct ftp_loss){
		.smoothed_rtt_ns = FTP_LOSS_INITIAL_RTT_NS,
		.rtt_variation_ns = FTP_LOSS_INITIAL_RTT_NS / 2,
		.loss_time_ns = FTP_NS_NEVER,
	};
}

void ftp_loss_reset(struct ftp_loss *l)
{
	l->has_acked = false;
	l->largest_acked = 0;
	l->loss_time_ns = FTP_NS_NEVER;
	l->n_in_flight = 0;
	l->n_probe_timeouts = 0;
}

void ftp_loss_sample(struct ftp_loss *l, uint64_t rtt_ns, uint64_t ack_delay_ns,
	uint64_t max_ack_delay_ns, uint64_t now_ns)
{
	uint64_t adjusted_ns = rtt_ns, difference_ns;

	l->latest_rtt_ns = rtt_ns;
	if (!l->has_rtt) {
		l->has_rtt = true;
		l->first_rtt_ns = now_ns;
		l->min_rtt_ns = rtt_ns;
		l->smoothed_rtt_ns = rtt_ns;
		l->rtt_variation_ns = rtt_ns / 2;
		return;
	}
	l->min_rtt_ns = min64(l->min_rtt_ns, rtt_ns);
	ack_delay_ns = min64(ack_delay_ns, max_ack_delay_ns);
	if (rtt_ns >= l->min_rtt_ns + ack_delay_ns)
		adjusted_ns = rtt_ns - ack_delay_ns;
	difference_ns = adjusted_ns > l->smoothed_rtt_ns ? adjusted_ns - l->smoothed_rtt_ns
							 : l->smoothed_rtt_ns - adjusted_ns;
	l->rtt_variation_ns = (3 * l->rtt_variation_ns + difference_ns) / 4;
	l->smoothed_rtt_ns = (7 * l->smoothed_rtt_ns + adjusted_ns) / 8;
}

uint64_t ftp_loss_probe_timeout_ns(const struct ftp_loss *l, uint64_t max_ack_delay_ns)
{
	return l->smoothed_rtt_ns + max64(4 * l->rtt_variation_ns, FTP_LOSS_GRANULARITY_NS) +
	       max_ack_delay_ns;
}

/* Section 6.1.2: 9/8 of the round-trip time. */
static uint64_t loss_delay_ns(const struct ftp_loss *l)
{
	return max64(9 * max64(l->smoothed_rtt_ns, l->latest_rtt_ns) / 8, FTP_LOSS_GRANULARITY_NS);
}

bool ftp_loss_detect(struct ftp_loss *l, struct ftp_sentmap *m, uint64_t max_ack_delay_ns,
	uint64_t now_ns, ftp_loss_fn *lost, void *arg)
{
	uint64_t delay_ns = loss_delay_ns(l), number;
	/* Section 7.6.1. */
	uint64_t duration_ns = 3 * ftp_loss_probe_timeout_ns(l, max_ack_delay_ns);
	uint64_t run_start_ns = FTP_NS_NEVER;
	bool persistent = false;

	l->loss_time_ns = FTP_NS_NEVER;
	if (!l->has_acked)
		return false;
	for (number = m->oldest; number < m->next && number <= l->largest_acked; number++) {
		struct ftp_sent *s = ftp_sentmap_at(m, number);

		if (s->state != FTP_SENT_OUTSTANDING) {
			run_start_ns = FTP_NS_NEVER;
			continue;
		}
		if (number + FTP_LOSS_PACKET_THRESHOLD > l->largest_acked &&
			s->time_ns + delay_ns > now_ns) {
			l->loss_time_ns = min64(l->loss_time_ns, s->time_ns + delay_ns);
			continue;
		}
		s->state = FTP_SENT_RESOLVED;
		if (l->has_rtt && s->time_ns >= l->first_rtt_ns) {
			run_start_ns = min64(run_start_ns, s->time_ns);
			persistent |= s->time_ns - run_start_ns > duration_ns;
		}
		lost(arg, number, s);
	}
	ftp_sentmap_settle(m);
	return persistent;
}

uint64_t ftp_loss_deadline(const struct ftp_loss *l, uint64_t max_ack_delay_ns)
{
	uint64_t timeout_ns, backoff_ns;
	uint32_t shift = l->n_probe_timeouts < 16 ? l->n_probe_timeouts : 16;

	if (l->loss_time_ns != FTP_NS_NEVER)
		return l->loss_time_ns;
	if (!l->n_in_flight)
		return FTP_NS_NEVER;
	timeout_ns = ftp_loss_probe_timeout_ns(l, max_ack_delay_ns);
	/* Section 6.2.1: the timeout doubles each time. The bound is ours: the idle timeout ends
	 * what a live peer does not answer, so rarer probes would only make recovery slower. */
	backoff_ns = timeout_ns << shift;
	return l->last_sent_ns + max64(timeout_ns, min64(backoff_ns, FTP_LOSS_MAX_BACKOFF_NS));
}
