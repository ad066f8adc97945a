/* What stages send each other: memory whose every word follows from what it is, so that a part that
 * is missing, misplaced, of something else or of another time is found. */
#ifndef FTP_TESTS_SIM_PARCEL_H
#define FTP_TESTS_SIM_PARCEL_H

#include <stdbool.h>
#include <stdint.h>

#include "net/wire.h"

#define SIM_ITEM_WORDS	8   /* of an activation, a gradient, labels */
#define SIM_STATE_WORDS 256 /* of a unit: more than a packet carries */
#define SIM_STATE_BYTES (SIM_STATE_WORDS * sizeof(uint64_t))

void sim_parcel_fill_item(
	uint64_t words[SIM_ITEM_WORDS], uint64_t term, const struct ftp_message_id *id);
bool sim_parcel_is_item(
	const uint64_t words[SIM_ITEM_WORDS], uint64_t term, const struct ftp_message_id *id);

void sim_parcel_fill_state(
	uint64_t words[SIM_STATE_WORDS], uint32_t unit, uint64_t step, uint64_t state);
/* A state of that unit: *step, *state. */
bool sim_parcel_is_state(
	const uint64_t words[SIM_STATE_WORDS], uint32_t unit, uint64_t *step, uint64_t *state);

/* Nobody is to see this. */
void sim_parcel_scribble(uint64_t *words, uint32_t n);

#endif
