#include "runtime/base/prng.h"

#include <math.h>

#define GOLDEN 0x9e3779b97f4a7c15ull

uint64_t ftp_prng_mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

uint64_t ftp_prng_key(uint64_t seed, enum ftp_prng_purpose purpose, uint64_t sub)
{
	uint64_t key = ftp_prng_mix(seed + GOLDEN);

	key = ftp_prng_mix(key ^ ((uint64_t)purpose * GOLDEN));
	return ftp_prng_mix(key + sub * GOLDEN);
}

uint64_t ftp_prng_u64(uint64_t key, uint64_t index)
{
	return ftp_prng_mix(key + (index + 1) * GOLDEN);
}

uint64_t ftp_prng_below(uint64_t key, uint64_t index, uint64_t n)
{
	return (uint64_t)(((unsigned __int128)ftp_prng_u64(key, index) * n) >> 64);
}

double ftp_prng_unit(uint64_t key, uint64_t index)
{
	return (double)(ftp_prng_u64(key, index) >> 11) * 0x1p-53;
}

double ftp_prng_normal(uint64_t key, uint64_t index)
{
	double radius = sqrt(-2.0 * log(1.0 - ftp_prng_unit(key, 2 * index)));

	return radius * cos(2.0 * 3.14159265358979323846 * ftp_prng_unit(key, 2 * index + 1));
}

void ftp_prng_permutation(uint64_t key, uint32_t *perm, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t j = (uint32_t)ftp_prng_below(key, i, i + 1);

		perm[i] = i;
		perm[i] = perm[j];
		perm[j] = i;
	}
}
