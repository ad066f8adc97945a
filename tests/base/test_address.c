#include "runtime/base/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "tests/base/check.h"

static void parse__both_families(void **state)
{
	struct sockaddr_storage addr;
	struct sockaddr_in *v4 = (struct sockaddr_in *)&addr;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&addr;
	struct ftp_error err;
	socklen_t bytes;

	(void)state;
	assert_int_equal(ftp_address_parse("127.0.0.1:9470", &addr, &bytes, &err), 0);
	assert_int_equal(v4->sin_family, AF_INET);
	assert_int_equal(ntohs(v4->sin_port), 9470);
	assert_int_equal(ntohl(v4->sin_addr.s_addr), INADDR_LOOPBACK);
	assert_int_equal(ftp_address_parse("[::1]:1", &addr, &bytes, &err), 0);
	assert_int_equal(v6->sin6_family, AF_INET6);
	assert_int_equal(ntohs(v6->sin6_port), 1);
	assert_int_equal(bytes, sizeof(*v6));
}

static void parse__refuses_the_rest(void **state)
{
	static const char *const bad[] = {"", ":", ":80", "127.0.0.1", "127.0.0.1:", "localhost:80",
		"127.0.0.1:http", "127.0.0.1:65536", "127.0.0.1:-1", "1.2.3:x", "[::1]", "[::1:80",
		"[]:80", "1111111111111111111111111111111111111111111111111111111111111111111:1"};
	struct sockaddr_storage addr;
	struct ftp_error err;
	socklen_t bytes;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (ftp_address_parse(bad[i], &addr, &bytes, &err) != -EINVAL)
			fail_msg("'%s' was taken for an address", bad[i]);
		assert_non_null(strstr(err.text, "expected ADDRESS:PORT"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse__both_families),
		cmocka_unit_test(parse__refuses_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
