#include "net/link.h"

#include <stdlib.h>

#define RX_BURSTS 4  /* a turn drains what a whole window brings, before timers are looked at */
#define TX_BURST  32 /* packets offered in a turn are bounded by TX_TURN */
#define TX_TURN	  64

static int receive(struct ftp_link *l, uint64_t now_ns)
{
	struct ftp_port_rx packets[FTP_PORT_BURST];
	int total = 0, n;

	for (int burst = 0; burst < RX_BURSTS; burst++) {
		n = l->port->ops->rx(l->port, packets, FTP_PORT_BURST);
		for (int i = 0; i < n; i++)
			ftp_connection_receive(
				l->connection, packets[i].packet, packets[i].bytes, now_ns);
		if (n)
			l->port->ops->release(l->port, packets, n);
		total += n;
		if (n < FTP_PORT_BURST)
			break;
	}
	return total;
}

static int transmit(struct ftp_link *l, uint64_t now_ns)
{
	struct ftp_port_tx packets[TX_BURST];
	int burst = (int)l->port->caps.tx_burst, total = 0, n, accepted;

	if (burst < 1 || burst > TX_BURST)
		burst = TX_BURST;
	while (total < TX_TURN) {
		n = ftp_connection_transmit(l->connection, packets, burst, now_ns);
		if (!n)
			break;
		accepted = l->port->ops->tx(l->port, packets, n);
		ftp_connection_sent(l->connection, accepted, now_ns);
		total += accepted;
		if (accepted < n)
			break;
	}
	return total;
}

int ftp_link_turn(struct ftp_link *l, uint64_t now_ns)
{
	int n = receive(l, now_ns);

	if (l->port->ops->link(l->port) == FTP_PORT_DOWN)
		ftp_connection_port_down(l->connection);
	return n + transmit(l, now_ns);
}

void ftp_link_close(struct ftp_link *l, uint64_t now_ns)
{
	ftp_connection_close(l->connection, now_ns);
	transmit(l, now_ns);
	ftp_connection_free(l->connection);
	l->port->ops->close(l->port);
	l->connection = NULL;
	l->port = NULL;
}
