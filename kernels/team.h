/* OpenMP team of the calling thread. oneDNN bakes the size into a primitive when it is created and
 * hangs if libgomp later delivers fewer threads, so it is set first and never left to the system.
 */
#ifndef FTP_KERNELS_TEAM_H
#define FTP_KERNELS_TEAM_H

/* Worker thread, before the first stage is built. */
void ftp_team_set(int n_threads);

/* What the calling thread's next team, or oneDNN primitive, would get. */
int ftp_team_size(void);

#endif
