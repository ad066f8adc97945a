#include "kernels/isa.h"

#include <errno.h>
#include <pthread.h>

#include "kernels/onednn.h"

static _Atomic int cap = -1; /* enum ftp_isa once set */

static int set_cap(enum ftp_isa isa, struct ftp_error *err)
{
	int code;

	if (cap == (int)isa)
		return 0;
	if (isa > ftp_isa_detect())
		return ftp_error_set(err, ENOTSUP,
			"training.isa: this CPU has no %s, its best is %s", ftp_isa_name(isa),
			ftp_isa_name(ftp_isa_detect()));
	code = ftp_onednn_cap(isa, err);
	if (code)
		return code;
	cap = (int)isa;
	return 0;
}

int ftp_isa_cap(enum ftp_isa isa, struct ftp_error *err)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	int rc;

	pthread_mutex_lock(&lock);
	rc = set_cap(isa, err);
	pthread_mutex_unlock(&lock);
	return rc;
}

enum ftp_isa ftp_isa_current(void)
{
	return cap < 0 ? ftp_isa_detect() : (enum ftp_isa)cap;
}
