/* Link: one port and the connection over it, turned by a net loop. The same code runs in
 * production, over kernel UDP and in the simulator. One thread. */
#ifndef FTP_NET_LINK_H
#define FTP_NET_LINK_H

#include "net/connection.h"

struct ftp_link {
	struct ftp_port *port;		   /* owned */
	struct ftp_connection *connection; /* owned */
};

/* rx burst, connection, tx burst. Returns the packets moved: 0 means that the turn found nothing to
 * do. Events are taken afterwards with ftp_link_next_event(). */
int ftp_link_turn(struct ftp_link *l, uint64_t now_ns);

static inline struct ftp_connection_event ftp_link_next_event(struct ftp_link *l)
{
	return ftp_connection_next_event(l->connection, l->port);
}

/* Closes and frees both; every buffer is the caller's again. */
void ftp_link_close(struct ftp_link *l, uint64_t now_ns);

#endif
