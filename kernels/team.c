#include "kernels/team.h"

#include <omp.h>

#include "runtime/base/error.h"

void ftp_team_set(int n_threads)
{
	ftp_assert(n_threads >= 1);
	omp_set_dynamic(0);
	omp_set_num_threads(n_threads);
}

int ftp_team_size(void)
{
	return omp_get_max_threads();
}
