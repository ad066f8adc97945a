/* Lines of a script about snapshots, and what of them is on disks. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/ctl/life_state.h"

/* Of the life, before it trains: two numbers of steps, or "auto", bytes per second and the share of
 * a stage's time. */
void life_on_snapshots(struct life *l, const char *args)
{
	struct ftp_config_snapshot *s = &l->config.snapshot;

	if (sscanf(args, "auto %" SCNu64 " %lf", &s->max_bandwidth_bytes, &s->max_share) >= 1)
		s->every = s->global_every = FTP_CONFIG_AUTO;
	else
		ftp_assert(sscanf(args, "%" SCNu64 " %" SCNu64, &s->every, &s->global_every) == 2);
}

/* Likewise: steps between snapshots that go to disks. */
void life_on_checkpoints(struct life *l, const char *args)
{
	l->config.checkpoint.every = (uint64_t)atoi(args);
}

/* Units [first, end); none: the node was late. digest: another one than is usual. cost: in ms. */
void life_on_stored(struct life *l, const char *args)
{
	struct ftp_stored m = {.n_units = 0};
	unsigned conn, first, end, digest = 0, cost = 0;

	ftp_assert(sscanf(args, "%u %" SCNu64 " %" SCNu64 " %" SCNu64 " %u %u %u %u", &conn,
			   &m.term, &m.step, &m.at, &first, &end, &digest, &cost) >= 6);
	m.cost_ns = cost * FTP_NS_PER_MS;
	for (unsigned u = first; u < end; u++) {
		m.unit[m.n_units] = u;
		m.digest[m.n_units++] = (struct ftp_digest){digest, u};
	}
	life_request(l, conn, FTP_METHOD_STORED, ftp_stored_encode(&m), false);
}

/* Units [first, end) are durable; or text says why not. */
void life_on_persisted(struct life *l, const char *args)
{
	struct ftp_persisted m = {.n_units = 0};
	unsigned conn, first, end;
	int n = sscanf(args, "%u %" SCNu64 " %" SCNu64 " %u %u %200[^\n]", &conn, &m.term, &m.step,
		&first, &end, m.text);

	ftp_assert(n >= 5);
	m.ok = n == 5;
	for (unsigned u = first; u < end; u++)
		m.unit[m.n_units++] = u;
	life_request(l, conn, FTP_METHOD_PERSISTED, ftp_persisted_encode(&m), false);
}

/* A node holds nothing of that step any more; or a unit that another term trained. */
void life_on_forget(struct life *l, const char *args)
{
	unsigned node, step, unit;
	uint64_t term;
	int n = sscanf(args, "n%u %u %u %" SCNu64, &node, &step, &unit, &term);

	ftp_assert(n == 2 || n == 4);
	if (n == 4)
		l->stored[node - 1][step][unit] = term;
	else
		memset(l->stored[node - 1][step], 0, sizeof(l->stored[0][0]));
}
