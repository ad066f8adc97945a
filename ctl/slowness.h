/* How many times slower a node computes than it was measured to: of the last steps' ratios of
 * measured to profiled time, the value that most of them agree on. One slow step, or many scattered
 * ones, are hiccups and change nothing; a lasting change is seen after FTP_SLOWNESS_AGREE steps.
 * While the steps agree with the value it follows them smoothly; how much they scatter around it
 * says how far a lasting difference must be to be more than noise. Pure; one thread each.
 *
 * Source: FTPipeHD (arXiv 2110.02781), the capacity C_i; here by the median, which a minority of
 * outliers cannot move.
 */
#ifndef FTP_CTL_SLOWNESS_H
#define FTP_CTL_SLOWNESS_H

#include <stdbool.h>
#include <stdint.h>

#define FTP_SLOWNESS_WINDOW 5 /* steps */
#define FTP_SLOWNESS_AGREE  3 /* of them, within FTP_SLOWNESS_SPREAD of their median */
#define FTP_SLOWNESS_SPREAD 0.25
#define FTP_SLOWNESS_CHANGE 0.15 /* the least lasting difference that is no noise */

struct ftp_slowness {
	double recent[FTP_SLOWNESS_WINDOW];
	uint32_t n;   /* steps since the start or the last restart */
	double value; /* 1: as profiled */
	double noise; /* mean share by which a step differs from it */
};

void ftp_slowness_init(struct ftp_slowness *s, double value);

/* Other units from now on: forgets the steps, keeps the value until new ones agree. */
void ftp_slowness_restart(struct ftp_slowness *s);

/* A step took `ratio` times its profile; true: the value has jumped to a lasting change. Ratios
 * that are not positive and finite are dropped. */
bool ftp_slowness_note(struct ftp_slowness *s, double ratio);

/* Do they differ by more than the share `by`, in either direction? Both positive. */
bool ftp_slowness_differs(double a, double b, double by);

#endif
