/* Which instruction set the kernels may use. Part of a run's identity: results are bit-identical
 * only under one cap. Set once, before any stage is built. */
#ifndef FTP_KERNELS_ISA_H
#define FTP_KERNELS_ISA_H

#include "runtime/base/error.h"

enum ftp_isa { FTP_ISA_SSE41, FTP_ISA_AVX2, FTP_ISA_AVX512 };

/* The best that this CPU has of the three. */
enum ftp_isa ftp_isa_detect(void);

/* -ENOTSUP if the CPU lacks it. Caps oneDNN and our own kernels alike. The same cap again is no
 * change and allowed at any time. */
int ftp_isa_cap(enum ftp_isa isa, struct ftp_error *err);
enum ftp_isa ftp_isa_current(void);

const char *ftp_isa_name(enum ftp_isa isa); /* "sse41", "avx2", "avx512" */

/* Refuses OpenMP settings under which oneDNN hangs (OMP_DYNAMIC, OMP_THREAD_LIMIT, OMP_PROC_BIND,
 * OMP_PLACES): -EINVAL names the variable. Call before any other thread starts. */
int ftp_isa_check_openmp(struct ftp_error *err);

#endif
