/* "host:port" text to a socket address. Numeric addresses only: a name look-up has no deadline. */
#ifndef FTP_BASE_ADDRESS_H
#define FTP_BASE_ADDRESS_H

#include <sys/socket.h>

#include "runtime/base/error.h"

/* "127.0.0.1:9470", "[::1]:9470". -EINVAL with the text and the expected form in err. */
int ftp_address_parse(
	const char *text, struct sockaddr_storage *addr, socklen_t *bytes, struct ftp_error *err);

#endif
