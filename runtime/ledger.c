#include "runtime/ledger.h"

void ftp_ledger_add_row(struct ftp_ledger *l, uint64_t step, double loss)
{
	if (step != l->row + 1 || !l->first_row) {
		l->first_row = step;
		l->told_row = step - 1;
	}
	l->row = step;
	l->losses[step % FTP_LEDGER_ROWS] = loss;
	if (l->row - l->first_row == FTP_LEDGER_ROWS)
		l->first_row++;
	if (l->told_row + 1 < l->first_row)
		l->told_row = l->first_row - 1;
}

uint64_t ftp_ledger_untold(const struct ftp_ledger *l)
{
	return l->row - l->told_row;
}

bool ftp_ledger_take_rows(struct ftp_ledger *l)
{
	struct ftp_progress *p = &l->progress;

	while (l->told_row < l->row && p->n_rows < FTP_PROGRESS_MAX_ROWS) {
		uint64_t step = ++l->told_row;

		p->row_step[p->n_rows] = step;
		p->row_loss[p->n_rows++] = l->losses[step % FTP_LEDGER_ROWS];
	}
	return l->told_row == l->row;
}

void ftp_ledger_tell_after(struct ftp_ledger *l, uint64_t step)
{
	l->progress.n_rows = 0;
	if (!l->first_row)
		return;
	l->told_row = step < l->row ? step : l->row;
	if (l->told_row + 1 < l->first_row)
		l->told_row = l->first_row - 1;
}

void ftp_ledger_forget(struct ftp_ledger *l)
{
	l->progress.n_rows = 0;
	l->first_row = 0;
	l->told_row = l->row;
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
