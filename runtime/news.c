#include "runtime/news.h"

static void send_stored(struct ftp_jsonrpc *rpc, struct ftp_stored *m)
{
	if (m->step && rpc)
		ftp_jsonrpc_notify(rpc, FTP_METHOD_STORED, ftp_stored_encode(m));
	m->step = m->n_units = 0;
	m->cost_ns = 0;
}

void ftp_news_tell_persisted(struct ftp_worker *w, struct ftp_jsonrpc *rpc)
{
	struct ftp_persisted m;

	while (ftp_worker_persisted(w, &m))
		if (rpc)
			ftp_jsonrpc_notify(rpc, FTP_METHOD_PERSISTED, ftp_persisted_encode(&m));
}

void ftp_news_tell(
	struct ftp_worker *w, struct ftp_jsonrpc *rpc, void (*before)(void *arg), void *arg)
{
	struct ftp_stored m = {.step = 0};
	struct ftp_replica_news n;

	while (ftp_worker_news(w, &n)) {
		bool is_spoiled = n.unit == FTP_REPLICA_SPOILED;

		if (before)
			before(arg);
		before = NULL;

		if (n.term != m.term || n.step != m.step || is_spoiled ||
			m.n_units == FTP_PROTOCOL_MAX_UNITS)
			send_stored(rpc, &m);
		m.term = n.term;
		m.step = n.step;
		m.at = n.at;
		m.cost_ns += n.cost_ns;
		if (is_spoiled) {
			send_stored(rpc, &m);
			continue;
		}
		m.unit[m.n_units] = n.unit;
		m.digest[m.n_units++] = n.digest;
	}
	send_stored(rpc, &m);
}
