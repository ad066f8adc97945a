#include "ctl/backoff.h"

void ftp_backoff_init(struct ftp_backoff *b)
{
	*b = (struct ftp_backoff){.at_ns = FTP_NS_NEVER};
}

void ftp_backoff_started(struct ftp_backoff *b, uint64_t now_ns)
{
	b->at_ns = FTP_NS_NEVER;
	b->started_ns = now_ns;
}

void ftp_backoff_served(struct ftp_backoff *b)
{
	b->since_ns = 0;
}

void ftp_backoff_ended(struct ftp_backoff *b, uint64_t now_ns)
{
	if (!b->wait_ns || now_ns > b->started_ns + FTP_BACKOFF_MOST_NS)
		b->wait_ns = FTP_BACKOFF_LEAST_NS;
	else
		b->wait_ns *= b->wait_ns < FTP_BACKOFF_MOST_NS / 2 ? 2 : 1;
	if (!b->since_ns)
		b->since_ns = now_ns;
	b->n_short = now_ns < b->started_ns + FTP_BACKOFF_SHORT_NS ? b->n_short + 1 : 0;
	b->at_ns = now_ns + b->wait_ns;
}

bool ftp_backoff_is_hopeless(
	const struct ftp_backoff *b, uint64_t now_ns, uint64_t most_ns, uint32_t most_short)
{
	return now_ns > b->since_ns + most_ns || b->n_short >= most_short;
}
