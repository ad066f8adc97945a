/* What our processes have in /dev/shm: memory that is there however its process ends, that no disk
 * can hold up.
 *
 * A memory file has a random name, and a symbolic link of the run directory points to it. Its
 * process holds its lock; it says itself where its link is. ftp_shm_sweep(), at the begin and at
 * the end of a run, puts what the dead have left in the place of the links. So nothing stays here
 * but that of a run which was killed as a whole, until the next one starts.
 *
 * Others may write to /dev/shm too: only regular files and directories of this user count, no link
 * is followed, and a name that is taken is never opened.
 */
#ifndef FTP_BASE_SHM_H
#define FTP_BASE_SHM_H

#include <stddef.h>

#include "runtime/base/error.h"

#define FTP_SHM_HOME	 "/dev/shm"
#define FTP_SHM_FILE	 "ftpipe-memory-"
#define FTP_SHM_OLD	 ".old" /* behind a link that was renamed, to make place for another */
#define FTP_SHM_LISTENER "ftpipe-listener-" /* directories; who made one holds its lock */
#define FTP_SHM_SOCKET	 "memif"	    /* and this in it, for a moment */

/* A file of so many bytes in home, and the link to it, which must not be there. Gives the
 * descriptor: it is locked while that is open. -ENODEV: home is no memory; -ENOSPC and others. */
int ftp_shm_make(const char *home, const char *link, size_t bytes, struct ftp_error *err);

/* Removes the file that link points to, if that is a memory file of home, and link. */
void ftp_shm_remove(const char *home, const char *link);

/* Of this user's dead processes: the files whose links are below that path become plain files in
 * the links' place, or go where no link is left; listeners go. What cannot be moved stays, and a
 * warning says so. It waits for below's disk. */
void ftp_shm_sweep(const char *home, const char *below);

#endif
