/* Random numbers as pure functions of (key, index): no hidden state, so that sample order,
 * augmentation and initial values never depend on who asks, when, or how often.
 *
 * The generator is SplitMix64 in counter mode (Steele, Lea, Flood, OOPSLA 2014): value i of a key
 * is mix(key + i * golden ratio). Any thread.
 */
#ifndef FTP_BASE_PRNG_H
#define FTP_BASE_PRNG_H

#include <stdint.h>

/* Purposes: each gets its own key, so that one stream never shifts another. */
enum ftp_prng_purpose {
	FTP_PRNG_INIT = 1,    /* initial weights: sub = (unit << 16) | tensor */
	FTP_PRNG_SHUFFLE = 2, /* sample order: sub = epoch */
	FTP_PRNG_AUGMENT = 3, /* augmentation: sub = epoch, index = sample */
	FTP_PRNG_FAULT = 4,   /* injected loss, duplication, reordering, delay */
	FTP_PRNG_TEST = 5,
};

uint64_t ftp_prng_mix(uint64_t x);
uint64_t ftp_prng_key(uint64_t seed, enum ftp_prng_purpose purpose, uint64_t sub);

/* The index-th 64 random bits of key. */
uint64_t ftp_prng_u64(uint64_t key, uint64_t index);

/* Uniform in [0, n), n > 0, by multiply-shift; the bias is below n / 2^64. */
uint64_t ftp_prng_below(uint64_t key, uint64_t index, uint64_t n);

/* Uniform in [0, 1) with 53 bits. */
double ftp_prng_unit(uint64_t key, uint64_t index);

/* Standard normal (Box-Muller on values 2*index and 2*index + 1), in double. */
double ftp_prng_normal(uint64_t key, uint64_t index);

/* Fisher-Yates: perm[0..n) becomes the permutation that key names. */
void ftp_prng_permutation(uint64_t key, uint32_t *perm, uint32_t n);

#endif
