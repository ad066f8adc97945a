#include "tests/sim/parcel.h"

#include "runtime/base/prng.h"

#define STRIDE	   UINT64_C(0x9e3779b97f4a7c15)
#define SCRIBBLE   UINT64_C(0xdeadbeefdeadbeef)
#define HEAD_WORDS 3

static uint64_t item_key(uint64_t term, const struct ftp_message_id *id)
{
	return ftp_prng_mix(
		term ^ ftp_prng_mix(id->step ^ (uint64_t)id->kind << 56 ^ (uint64_t)id->cut << 40 ^
				    (uint64_t)id->micro_batch << 24));
}

void sim_parcel_fill_item(
	uint64_t words[SIM_ITEM_WORDS], uint64_t term, const struct ftp_message_id *id)
{
	uint64_t key = item_key(term, id);

	for (uint32_t i = 0; i < SIM_ITEM_WORDS; i++)
		words[i] = key + i * STRIDE;
}

bool sim_parcel_is_item(
	const uint64_t words[SIM_ITEM_WORDS], uint64_t term, const struct ftp_message_id *id)
{
	uint64_t key = item_key(term, id);
	bool is_item = true;

	for (uint32_t i = 0; i < SIM_ITEM_WORDS; i++)
		is_item &= words[i] == key + i * STRIDE;
	return is_item;
}

static uint64_t state_key(const uint64_t head[HEAD_WORDS])
{
	return ftp_prng_mix(head[2] ^ ftp_prng_mix(head[1] ^ head[0] << 48));
}

void sim_parcel_fill_state(
	uint64_t words[SIM_STATE_WORDS], uint32_t unit, uint64_t step, uint64_t state)
{
	const uint64_t head[HEAD_WORDS] = {unit, step, state};
	uint64_t key = state_key(head);

	for (uint32_t i = 0; i < SIM_STATE_WORDS; i++)
		words[i] = i < HEAD_WORDS ? head[i] : key + i * STRIDE;
}

bool sim_parcel_is_state(
	const uint64_t words[SIM_STATE_WORDS], uint32_t unit, uint64_t *step, uint64_t *state)
{
	uint64_t key = state_key(words);
	bool is_state = words[0] == unit;

	for (uint32_t i = HEAD_WORDS; i < SIM_STATE_WORDS; i++)
		is_state &= words[i] == key + i * STRIDE;
	*step = words[1];
	*state = words[2];
	return is_state;
}

void sim_parcel_scribble(uint64_t *words, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		words[i] = SCRIBBLE + i;
}
