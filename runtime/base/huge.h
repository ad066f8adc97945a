/* Big blocks in huge pages, where the kernel has them: fewer misses when they are read, and a
 * process that is killed is gone sooner. The kernel frees memory before it closes sockets, which is
 * when others learn of the death: 200 MB in 4 KB pages took 20 ms, and 110 ms beside others on the
 * same cores; in huge pages 1.5 and 13 ms. Any thread. */
#ifndef FTP_BASE_HUGE_H
#define FTP_BASE_HUGE_H

#include <stddef.h>

/* Not zeroed; NULL when there is no memory. The caller owns it and gives it back with free(). */
void *ftp_huge_alloc(size_t bytes);

#endif
