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

void ftp_backoff_ended(struct ftp_backoff *b, uint64_t now_ns)
{
	if (!b->wait_ns || now_ns > b->started_ns + FTP_BACKOFF_MOST_NS) {
		b->wait_ns = FTP_BACKOFF_LEAST_NS;
		b->since_ns = now_ns;
	} else {
		b->wait_ns *= b->wait_ns < FTP_BACKOFF_MOST_NS / 2 ? 2 : 1;
	}
	b->at_ns = now_ns + b->wait_ns;
}
