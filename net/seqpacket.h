/* Unix SOCK_SEQPACKET sockets with abstract names, for processes of one box and one user: they meet
 * by name, are checked by user id, and pass messages with a file descriptor (unix(7), SCM_RIGHTS).
 * Nothing stays in the file system. Everything is non-blocking; one thread per socket.
 *
 * Abstract names are per network namespace.
 */
#ifndef FTP_NET_SEQPACKET_H
#define FTP_NET_SEQPACKET_H

#include <stddef.h>
#include <sys/types.h>

#include "runtime/base/error.h"

#define FTP_SEQPACKET_MAX_NAME 100 /* bytes */

/* A listening socket. -EADDRINUSE, -EINVAL, -EMFILE. */
int ftp_seqpacket_listen(const char *name, struct ftp_error *err);

/* Negative: nobody listens yet (-ECONNREFUSED, -EAGAIN), a stranger does (-EPERM), or -EMFILE.
 * A name that begins with '/' is a path. */
int ftp_seqpacket_connect(const char *name);

/* -EAGAIN: nobody is there. Connections of other users are closed unseen. */
int ftp_seqpacket_accept(int listener);

/* Sends one message, with a copy of the descriptor fd unless that is -1. */
int ftp_seqpacket_send(int socket, const void *message, size_t bytes, int fd);

/* Receives one message of at most bytes; a longer one is cut. Returns its length, 0: the peer is
 * gone, -EAGAIN: nothing is there. *fd is the caller's, -1: none came. */
ssize_t ftp_seqpacket_receive(int socket, void *message, size_t bytes, int *fd);

#endif
