#include "runtime/base/address.h"

#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* getaddrinfo() takes nothing for port 0, and 65536 too. */
static bool is_port(const char *text)
{
	size_t n = strspn(text, "0123456789");

	return n > 0 && n <= 5 && !text[n] && strtoul(text, NULL, 10) <= UINT16_MAX;
}

int ftp_address_parse(
	const char *text, struct sockaddr_storage *addr, socklen_t *bytes, struct ftp_error *err)
{
	const struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found;
	const char *colon = strrchr(text, ':');
	char host[64];
	size_t n = colon ? (size_t)(colon - text) : 0;

	if (n >= 2 && text[0] == '[' && text[n - 1] == ']') {
		text++;
		n -= 2;
	}
	if (!n || n >= sizeof(host) || !is_port(colon + 1))
		goto bad;
	memcpy(host, text, n);
	host[n] = 0;
	if (getaddrinfo(host, colon + 1, &hints, &found))
		goto bad;
	memcpy(addr, found->ai_addr, found->ai_addrlen);
	*bytes = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
bad:
	return ftp_error_set(err, EINVAL,
		"'%s' is not an address: expected ADDRESS:PORT with a numeric address, "
		"e.g. 127.0.0.1:9470 or [::1]:9470",
		text);
}
