#include "net/idmap.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/base/error.h"
#include "runtime/base/prng.h"

void ftp_idmap_init(struct ftp_idmap *m, uint32_t n_max)
{
	uint32_t n_entries = 4;

	ftp_assert(n_max && n_max <= 1u << 28);
	while (n_entries < 2 * n_max)
		n_entries *= 2;
	*m = (struct ftp_idmap){.mask = n_entries - 1, .n_max = n_max};
	m->entries = calloc(n_entries, sizeof(*m->entries));
	ftp_assert(m->entries);
}

void ftp_idmap_deinit(struct ftp_idmap *m)
{
	free(m->entries);
	m->entries = NULL;
}

void ftp_idmap_reset(struct ftp_idmap *m)
{
	memset(m->entries, 0, ((size_t)m->mask + 1) * sizeof(*m->entries));
	m->n = 0;
}

static uint32_t home(const struct ftp_idmap *m, const struct ftp_message_id *id)
{
	uint64_t low = (uint64_t)id->micro_batch << 32 | (uint64_t)id->cut << 16 |
		       (uint64_t)id->tensor << 8 | id->kind;

	return (uint32_t)ftp_prng_mix(low ^ ftp_prng_mix(id->step)) & m->mask;
}

/* Where id is, or the free entry at which its search ends. */
static uint32_t search(const struct ftp_idmap *m, const struct ftp_message_id *id)
{
	uint32_t i = home(m, id);

	while (m->entries[i].is_used && !ftp_message_id_equal(&m->entries[i].id, id))
		i = (i + 1) & m->mask;
	return i;
}

bool ftp_idmap_find(const struct ftp_idmap *m, const struct ftp_message_id *id, uint32_t *value)
{
	const struct ftp_idmap_entry *e = &m->entries[search(m, id)];

	if (e->is_used)
		*value = e->value;
	return e->is_used;
}

bool ftp_idmap_add(struct ftp_idmap *m, const struct ftp_message_id *id, uint32_t value)
{
	struct ftp_idmap_entry *e = &m->entries[search(m, id)];

	if (e->is_used || m->n == m->n_max)
		return false;
	*e = (struct ftp_idmap_entry){*id, value, true};
	m->n++;
	return true;
}

bool ftp_idmap_remove(struct ftp_idmap *m, const struct ftp_message_id *id, uint32_t *value)
{
	uint32_t hole = search(m, id), i = hole;

	if (!m->entries[hole].is_used)
		return false;
	*value = m->entries[hole].value;
	/* Moves back what would no longer be found across the hole (Knuth 6.4, algorithm R). */
	for (;;) {
		i = (i + 1) & m->mask;
		if (!m->entries[i].is_used)
			break;
		if (((i - home(m, &m->entries[i].id)) & m->mask) >= ((i - hole) & m->mask)) {
			m->entries[hole] = m->entries[i];
			hole = i;
		}
	}
	m->entries[hole].is_used = false;
	m->n--;
	return true;
}
