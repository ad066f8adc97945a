/* The states of runtime/transition.h, for its files. */
#ifndef FTP_RUNTIME_TRANSITION_STATES_H
#define FTP_RUNTIME_TRANSITION_STATES_H

#include "runtime/transition.h"

/* Sets of states. */
#define NOW(s)	  (1u << FTP_NOW_##s)
#define NEXT(s)	  (1u << FTP_NEXT_##s)
#define ANY_NOW	  ((1u << FTP_N_NOW_STATES) - 1)
#define ANY_NEXT  ((1u << FTP_N_NEXT_STATES) - 1)
#define UNDER_WAY (NEXT(BUILDING) | NEXT(CONNECTING) | NEXT(PREPARED) | NEXT(MOVING) | NEXT(READY))

/* Aborts when an invariant is broken. */
void ftp_transition_check(const struct ftp_transition *t);

#endif
