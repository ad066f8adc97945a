/* The half of kernels/isa.h that only looks at the machine: ftpctl asks it too, without oneDNN. */
#include <errno.h>
#include <stdlib.h>

#include "kernels/isa.h"

static const char *const names[] = {
	[FTP_ISA_SSE41] = "sse41",
	[FTP_ISA_AVX2] = "avx2",
	[FTP_ISA_AVX512] = "avx512",
};

enum ftp_isa ftp_isa_detect(void)
{
	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
		__builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
		return FTP_ISA_AVX512;
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
		return FTP_ISA_AVX2;
	return FTP_ISA_SSE41;
}

const char *ftp_isa_name(enum ftp_isa isa)
{
	return names[isa];
}

int ftp_isa_check_openmp(struct ftp_error *err)
{
	static const struct {
		const char *name, *why;
	} refused[] = {
		{"OMP_DYNAMIC", "fewer threads than oneDNN planned for make it wait forever"},
		{"OMP_THREAD_LIMIT", "fewer threads than oneDNN planned for make it wait forever"},
		{"OMP_PROC_BIND", "it would bind every stage to the first cores"},
		{"OMP_PLACES", "it would bind every stage to the first cores"},
	};

	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		if (getenv(refused[i].name))
			return ftp_error_set(err, EINVAL, "environment: unset %s: %s",
				refused[i].name, refused[i].why);
	return 0;
}
