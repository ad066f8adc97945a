/* Ledger: what a node has to tell the coordinator of its training, kept between two notifications
 * of progress. Pure; the control thread. */
#ifndef FTP_RUNTIME_LEDGER_H
#define FTP_RUNTIME_LEDGER_H

#include "ctl/protocol.h"

#define FTP_LEDGER_ROWS (1 << 16)

struct ftp_ledger {
	struct ftp_progress progress; /* step, steps and links are kept here */
	/* Losses by step modulo their number: steps first_row ... row are known, and told up to
	 * told_row. They outlive a coordinator. */
	double losses[FTP_LEDGER_ROWS];
	uint64_t first_row, row, told_row;
	struct {
		uint64_t tx_before, rx_before; /* by links of earlier plans */
		uint64_t tx_last, rx_last;
	} links[FTP_CONFIG_MAX_NODES];
};

/* A loss that does not follow the one before makes those forgotten. */
void ftp_ledger_add_row(struct ftp_ledger *l, uint64_t step, double loss);
uint64_t ftp_ledger_untold(const struct ftp_ledger *l); /* losses */
/* Losses that have not been told, into progress; false: there are more. */
bool ftp_ledger_take_rows(struct ftp_ledger *l);
/* Whoever is told from now on knows the losses up to this step. */
void ftp_ledger_tell_after(struct ftp_ledger *l, uint64_t step);
/* A plan has come into force: what counts of the losses so far is known. */
void ftp_ledger_forget(struct ftp_ledger *l);

/* false: no room, flush first. A step that does not follow the one before makes those forgotten. */
bool ftp_ledger_add_step(struct ftp_ledger *l, uint64_t step, uint64_t compute_ns);

/* peer: a node of the config. bytes: by the present connection, which began at 0. */
void ftp_ledger_set_link(
	struct ftp_ledger *l, uint32_t peer, uint64_t rtt_ns, uint64_t tx_bytes, uint64_t rx_bytes);

/* The notification was sent: its rows and step times are not sent again. */
void ftp_ledger_flush(struct ftp_ledger *l);

#endif
