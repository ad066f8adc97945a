#include "runtime/ledger.h"

bool ftp_ledger_add_row(struct ftp_ledger *l, uint64_t step, double loss)
{
	struct ftp_progress *p = &l->progress;

	if (p->n_rows == FTP_PROGRESS_MAX_ROWS)
		return false;
	p->row_step[p->n_rows] = step;
	p->row_loss[p->n_rows++] = loss;
	return true;
}

bool ftp_ledger_add_step(struct ftp_ledger *l, uint64_t step, uint64_t compute_ns)
{
	struct ftp_progress *p = &l->progress;

	if (p->n_steps && step != p->step + 1)
		p->n_steps = 0;
	if (p->n_steps == FTP_PROGRESS_MAX_STEPS)
		return false;
	p->step = step;
	p->step_compute_ns[p->n_steps++] = compute_ns;
	return true;
}

static uint32_t place_of(struct ftp_progress *p, uint32_t peer)
{
	uint32_t i = 0;

	while (i < p->n_links && p->link_peer[i] != peer)
		i++;
	if (i == p->n_links)
		p->link_peer[p->n_links++] = peer;
	return i;
}

static uint64_t total(uint64_t *before, uint64_t *last, uint64_t now)
{
	if (now < *last)
		*before += *last;
	*last = now;
	return *before + now;
}

void ftp_ledger_set_link(
	struct ftp_ledger *l, uint32_t peer, uint64_t rtt_ns, uint64_t tx_bytes, uint64_t rx_bytes)
{
	struct ftp_progress *p = &l->progress;
	uint32_t i;

	ftp_assert(peer < FTP_CONFIG_MAX_NODES);
	i = place_of(p, peer);
	p->link_rtt_ns[i] = rtt_ns;
	p->link_tx_bytes[i] = total(&l->links[peer].tx_before, &l->links[peer].tx_last, tx_bytes);
	p->link_rx_bytes[i] = total(&l->links[peer].rx_before, &l->links[peer].rx_last, rx_bytes);
}

void ftp_ledger_flush(struct ftp_ledger *l)
{
	l->progress.n_rows = 0;
	l->progress.n_steps = 0;
}
