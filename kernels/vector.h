/* Compiles a function for each vector width and picks one when the program is loaded. Only for code
 * whose result does not depend on the width: no fused multiply-add, no reordered sums. */
#ifndef FTP_KERNELS_VECTOR_H
#define FTP_KERNELS_VECTOR_H

#if defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define FTP_VECTOR_WIDTHS __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FTP_VECTOR_WIDTHS
#endif

#endif
