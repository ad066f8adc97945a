#include "ctl/pause.h"

#include <stdbool.h>

#define GRACE_NS (2 * FTP_NS_PER_MS) /* a sleep that is rounded up ends after its deadline */

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

int ftp_pause_sleep(struct ftp_pause *p, uint64_t now_ns, uint64_t deadline_ns)
{
	uint64_t wait_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
	uint64_t ms = (least(wait_ns, FTP_PAUSE_SLEEP_NS) + FTP_NS_PER_MS - 1) / FTP_NS_PER_MS;

	if (!p->turn_ns)
		p->turn_ns = now_ns;
	p->sleep_ns = now_ns;
	p->due_ns = now_ns + ms * FTP_NS_PER_MS;
	return (int)ms;
}

uint64_t ftp_pause_end(struct ftp_pause *p, uint64_t now_ns)
{
	uint64_t deaf_ns = p->sleep_ns - p->turn_ns, passed_ns = now_ns - p->turn_ns;
	bool is_again;

	if (now_ns > p->due_ns)
		deaf_ns += now_ns - p->due_ns;
	p->turn_ns = now_ns;
	if (deaf_ns <= FTP_PAUSE_LEAST_NS) {
		p->owed_ns -= least(p->owed_ns, passed_ns);
		return 0;
	}
	is_again = p->owed_ns;
	p->owed_ns = deaf_ns;
	return is_again ? deaf_ns / 2
			: least(deaf_ns + least(GRACE_NS, p->due_ns - p->sleep_ns), passed_ns);
}
