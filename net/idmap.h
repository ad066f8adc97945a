/* Map from message id to a 32-bit value: open addressing, linear probing, fixed room. One owner;
 * nothing is allocated after ftp_idmap_init(). */
#ifndef FTP_NET_IDMAP_H
#define FTP_NET_IDMAP_H

#include <stdbool.h>
#include <stdint.h>

#include "net/wire.h"

struct ftp_idmap_entry {
	struct ftp_message_id id;
	uint32_t value;
	bool is_used;
};

struct ftp_idmap {
	struct ftp_idmap_entry *entries;
	uint32_t mask, n, n_max;
};

void ftp_idmap_init(struct ftp_idmap *m, uint32_t n_max);
void ftp_idmap_deinit(struct ftp_idmap *m);
void ftp_idmap_reset(struct ftp_idmap *m);

/* false: id is not there. */
bool ftp_idmap_find(const struct ftp_idmap *m, const struct ftp_message_id *id, uint32_t *value);
/* false: id is there already, or n_max are. */
bool ftp_idmap_add(struct ftp_idmap *m, const struct ftp_message_id *id, uint32_t value);
/* false: id is not there. */
bool ftp_idmap_remove(struct ftp_idmap *m, const struct ftp_message_id *id, uint32_t *value);

#endif
