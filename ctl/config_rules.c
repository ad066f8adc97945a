/* What a single value may be: one row per key. libcyaml takes "1x" for a float and "maybe" for a
 * bool, and knows no units, so the form of every scalar is settled here, on the tree. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/config_schema.h"
#include "ctl/cores.h"
#include "ctl/cuts.h"
#include "ctl/units.h"
#include "runtime/base/address.h"

struct rule {
	const char *path;
	/* 0, or -EINVAL with "expected ..." in expected. May rewrite y's text. */
	int (*check)(const struct rule *r, struct ftp_yaml *y, struct ftp_error *expected);
	double min, max; /* numbers; max_open: [min, max) */
	bool max_open;
	const char *words; /* "one, two": the only values */
	enum ftp_units_kind units;
};

static int check_text(const struct rule *r, struct ftp_yaml *y, struct ftp_error *expected)
{
	size_t n = strlen(y->text);

	if ((double)n < r->min)
		return ftp_error_set(expected, EINVAL, "expected a text");
	if ((double)n > r->max)
		return ftp_error_set(expected, EINVAL, "expected at most %.0f characters", r->max);
	return 0;
}

static int check_word(const struct rule *r, struct ftp_yaml *y, struct ftp_error *expected)
{
	size_t n = strlen(y->text);

	for (const char *w = r->words; w; w = strstr(w, ", ") ? strstr(w, ", ") + 2 : NULL) {
		if (n && n == strcspn(w, ",") && !memcmp(w, y->text, n))
			return 0;
	}
	return ftp_error_set(expected, EINVAL, "expected %s%s",
		strchr(r->words, ',') ? "one of " : "", r->words);
}

static int check_name(const struct rule *r, struct ftp_yaml *y, struct ftp_error *expected)
{
	size_t n = strlen(y->text);

	if (n >= 1 && n <= (size_t)r->max &&
		n == strspn(y->text, "abcdefghijklmnopqrstuvwxyz0123456789-"))
		return 0;
	return ftp_error_set(
		expected, EINVAL, "expected 1 to %.0f of the characters a-z, 0-9 and -", r->max);
}

static int check_bool(const struct rule *r, struct ftp_yaml *y, struct ftp_error *expected)
{
	(void)r;
	if (!strcmp(y->text, "true") || !strcmp(y->text, "false"))
		return 0;
	return ftp_error_set(expected, EINVAL, "expected true or false");
}

static int check_integer(const struct rule *r, struct ftp_yaml *y, struct ftp_error *expected)
{
	size_t n = strlen(y->text);
	unsigned long long value;

	errno = 0;
	value = strtoull(y->text, NULL, 10);
	if (n && n == strspn(y->text, "0123456789") && (n == 1 || y->text[0] != '0') && !errno &&
		(double)value >= r->min && (double)value <= r->max)
		return 0;
	return ftp_error_set(
		expected, EINVAL, "expected a whole number from %.0f to %.0f", r->min, r->max);
}

/* The struct has a number for the word. */
static int check_steps(const struct rule *r, struct ftp_yaml *y, struct ftp_error *expected)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, FTP_CONFIG_AUTO);
	if (!strcmp(y->text, "auto"))
		ftp_yaml_set_text(y, text);
	else if (check_integer(r, y, expected))
		return ftp_error_set(expected, EINVAL,
			"expected auto or a whole number from %.0f to %.0f", r->min, r->max);
	return 0;
}

static int check_float(const struct rule *r, struct ftp_yaml *y, struct ftp_error *expected)
{
	size_t n = strlen(y->text);
	double value;
	char *end;

	value = strtod(y->text, &end);
	if (n && n == strspn(y->text, "0123456789.eE+-") && end == y->text + n && isfinite(value) &&
		value >= r->min && (r->max_open ? value < r->max : value <= r->max))
		return 0;
	return ftp_error_set(expected, EINVAL, "expected a number from %g to %s%g", r->min,
		r->max_open ? "below " : "", r->max);
}

static int check_units(const struct rule *r, struct ftp_yaml *y, struct ftp_error *expected)
{
	uint64_t value = 0;
	char text[32];
	int rc = ftp_units_parse(r->units, y->text, &value);

	if (rc || (double)value < r->min)
		return ftp_error_set(expected, EINVAL, "expected %s%s",
			rc == -ERANGE || !rc ? "a sensible value: " : "",
			ftp_units_expected(r->units));
	snprintf(text, sizeof(text), "%" PRIu64, value);
	ftp_yaml_set_text(y, text);
	return 0;
}

static bool is_loopback(const struct sockaddr_storage *addr)
{
	if (addr->ss_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)addr)->sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)addr)->sin6_addr);
}

static const char loopback_only[] =
	"expected a loopback address, e.g. 127.0.0.1: ports and RPC bind to loopback only until "
	"protection exists";

static int check_host(const struct rule *r, struct ftp_yaml *y, struct ftp_error *expected)
{
	char text[80];
	struct sockaddr_storage addr;
	socklen_t bytes;

	(void)r;
	snprintf(text, sizeof(text), strchr(y->text, ':') ? "[%.60s]:1" : "%.60s:1", y->text);
	if (y->text[0] == '[' || ftp_address_parse(text, &addr, &bytes, NULL))
		return ftp_error_set(expected, EINVAL,
			"expected a numeric address, e.g. 127.0.0.1, as a name look-up has no "
			"deadline");
	if (!is_loopback(&addr))
		return ftp_error_set(expected, EINVAL, loopback_only);
	return 0;
}

static int parse_listen(const char *text, struct sockaddr_storage *addr)
{
	socklen_t bytes;
	int rc = ftp_address_parse(text, addr, &bytes, NULL);

	if (!rc && !((struct sockaddr_in *)addr)->sin_port) /* at the same place in both families */
		rc = -EINVAL;
	return rc;
}

static int check_listen(const struct rule *r, struct ftp_yaml *y, struct ftp_error *expected)
{
	struct sockaddr_storage addr;

	(void)r;
	if (parse_listen(y->text, &addr))
		return ftp_error_set(expected, EINVAL,
			"expected ADDRESS:PORT, e.g. 127.0.0.1:9469 or [::1]:9469");
	if (!is_loopback(&addr))
		return ftp_error_set(expected, EINVAL, loopback_only);
	return 0;
}

/* Metrics are read-only and may be served beyond the box when asked. */
static int check_metrics(const struct rule *r, struct ftp_yaml *y, struct ftp_error *expected)
{
	struct sockaddr_storage addr;

	if (!strcmp(y->text, FTP_CONFIG_OFF) || (r->min == 0 && !y->text[0]) ||
		!parse_listen(y->text, &addr))
		return 0;
	return ftp_error_set(expected, EINVAL, "expected off or ADDRESS:PORT, e.g. 127.0.0.1:9470");
}

static int check_cores(const struct rule *r, struct ftp_yaml *y, struct ftp_error *expected)
{
	cpu_set_t set;

	if (!strcmp(y->text, r->words))
		return 0;
	if (!ftp_cores_parse(y->text, &set, NULL) && CPU_COUNT(&set) <= (int)r->max)
		return 0;
	if (r->max == 1)
		return ftp_error_set(expected, EINVAL, "expected a core number, or nothing");
	return ftp_error_set(
		expected, EINVAL, "expected auto or ascending core numbers, e.g. \"0-3,6\"");
}

static int check_cuts(const struct rule *r, struct ftp_yaml *y, struct ftp_error *expected)
{
	uint32_t cuts[FTP_CONFIG_MAX_NODES], n;

	(void)r;
	if (ftp_cuts_measured(y->text) ||
		!ftp_cuts_parse(y->text, cuts, FTP_CONFIG_MAX_NODES - 1, &n, NULL))
		return 0;
	return ftp_error_set(expected, EINVAL,
		"expected auto, equal or at most %d ascending unit numbers from 1, e.g. \"3,9\"",
		FTP_CONFIG_MAX_NODES - 1);
}

#define U64_MAX 18446744073709549568. /* the largest double below 2^64 */

static const struct rule rules[] = {
	{.path = "cluster.name", .check = check_name, .max = 32},
	{.path = "cluster.coordinator.listen", .check = check_listen},
	{.path = "cluster.data_dir", .check = check_text, .max = 1024},
	{.path = "nodes.*.name", .check = check_name, .max = 32},
	{.path = "nodes.*.host", .check = check_host},
	{.path = "nodes.*.cores",
		.check = check_cores,
		.words = FTP_CORES_AUTO,
		.max = CPU_SETSIZE},
	{.path = "nodes.*.net_core", .check = check_cores, .words = "", .max = 1},
	{.path = "nodes.*.memory", .check = check_units, .units = FTP_UNITS_SIZE, .min = 1 << 20},
	{.path = "nodes.*.dataset", .check = check_bool},
	{.path = "nodes.*.restart", .check = check_word, .words = "never, on-failure"},
	{.path = "nodes.*.data_dir", .check = check_text, .max = 1024},
	{.path = "nodes.*.metrics", .check = check_metrics, .min = 0},
	{.path = "nodes.*.emulate.slowdown", .check = check_float, .min = 1, .max = 1000},
	{.path = "nodes.*.emulate.loss", .check = check_float, .max = 1, .max_open = true},
	{.path = "nodes.*.emulate.bandwidth", .check = check_units, .units = FTP_UNITS_RATE},
	{.path = "nodes.*.emulate.delay", .check = check_units, .units = FTP_UNITS_DURATION},
	{.path = "training.model", .check = check_text, .min = 1, .max = 32},
	{.path = "training.width", .check = check_float, .min = 0.05, .max = 4},
	{.path = "training.strides", .check = check_word, .words = "cifar, imagenet"},
	{.path = "training.dataset.kind", .check = check_word, .words = "idx"},
	{.path = "training.dataset.path", .check = check_text, .min = 1, .max = 1024},
	{.path = "training.dataset.augment", .check = check_bool},
	{.path = "training.batch", .check = check_integer, .min = 1, .max = 65536},
	{.path = "training.micro_batches", .check = check_integer, .min = 1, .max = 1024},
	{.path = "training.threads", .check = check_integer, .min = 1, .max = 256},
	{.path = "training.isa", .check = check_word, .words = "auto, sse41, avx2, avx512"},
	{.path = "training.steps", .check = check_integer, .max = 1e12},
	{.path = "training.epochs", .check = check_integer, .max = 1e6},
	{.path = "training.seed", .check = check_integer, .max = U64_MAX},
	{.path = "training.schedule", .check = check_word, .words = "flush, 1f1b"},
	{.path = "training.aggregate_every", .check = check_integer, .max = 1e12},
	{.path = "training.cuts", .check = check_cuts},
	{.path = "training.optimizer.kind", .check = check_word, .words = "sgd"},
	{.path = "training.repartition.min_gain", .check = check_float, .max = 10},
	{.path = "training.repartition.horizon", .check = check_integer, .min = 1, .max = 1e12},
	{.path = "training.optimizer.momentum", .check = check_float, .max = 1, .max_open = true},
	{.path = "training.optimizer.weight_decay", .check = check_float, .max = 1},
	{.path = "training.optimizer.nesterov", .check = check_bool},
	{.path = "training.lr.kind", .check = check_word, .words = "constant, step, cosine"},
	{.path = "training.lr.base", .check = check_float, .max = 100},
	{.path = "training.lr.gamma", .check = check_float, .max = 1},
	{.path = "training.lr.final", .check = check_float, .max = 100},
	{.path = "training.lr.warmup", .check = check_integer, .max = 1e12},
	{.path = "training.lr.step_every", .check = check_integer, .max = 1e12},
	{.path = "training.eval_every", .check = check_integer, .max = 1e12},
	{.path = "snapshot.every", .check = check_steps, .max = 1e12},
	{.path = "snapshot.global_every", .check = check_steps, .max = 1e12},
	{.path = "snapshot.max_bandwidth", .check = check_units, .units = FTP_UNITS_RATE},
	{.path = "snapshot.max_share", .check = check_float, .max = 1},
	{.path = "checkpoint.every", .check = check_integer, .max = 1e12},
	{.path = "checkpoint.keep", .check = check_integer, .min = 2, .max = 8},
	{.path = "checkpoint.max_bytes", .check = check_units, .units = FTP_UNITS_SIZE},
	{.path = "checkpoint.direct", .check = check_word, .words = "auto, on, off"},
	{.path = "net.port", .check = check_word, .words = "auto, memif, udp"},
	{.path = "net.mtu", .check = check_integer, .max = 65535},
	{.path = "net.wire", .check = check_word, .words = "f32"},
	{.path = "net.protect", .check = check_word, .words = "none"},
	{.path = "net.eal", .check = check_text, .max = 1024},
	{.path = "net.hugepages", .check = check_bool},
	{.path = "metrics.listen", .check = check_metrics, .min = 1},
	{.path = "log.level", .check = check_word, .words = "error, warning, info, debug"},
	{.path = "log.format", .check = check_word, .words = "text, json"},
};

struct visit {
	const struct rule *rule;
	struct ftp_error *err;
};

static int apply_one(void *arg, const char *path, struct ftp_yaml *y)
{
	struct visit *v = arg;
	char place[FTP_YAML_MAX_PATH + 256];
	struct ftp_error expected;

	if (y->kind != FTP_YAML_SCALAR) /* the schema says so better */
		return 0;
	if (!v->rule->check(v->rule, y, &expected))
		return 0;
	ftp_yaml_place(y, path, place, sizeof(place));
	return ftp_error_set(v->err, EINVAL, "%s: %s, got '%.64s'", place, expected.text, y->text);
}

int ftp_config_rules_apply(struct ftp_yaml *root, struct ftp_error *err)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		struct visit v = {.rule = &rules[i], .err = err};
		int rc = ftp_yaml_each(root, rules[i].path, apply_one, &v);

		if (rc)
			return rc;
	}
	return 0;
}

/* The fewest digits that read back as the same double. */
static void print_float(const char *from, char *text, size_t bytes)
{
	double value = strtod(from, NULL);

	for (int digits = 1; digits <= 17; digits++) {
		snprintf(text, bytes, "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			return;
	}
}

static int print_one(void *arg, const char *path, struct ftp_yaml *y)
{
	const struct rule *r = arg;
	char text[64];

	(void)path;
	if (r->check == check_steps)
		snprintf(text, sizeof(text), "%s",
			strtoull(y->text, NULL, 10) == FTP_CONFIG_AUTO ? "auto" : y->text);
	else if (r->check == check_units)
		ftp_units_print(r->units, strtoull(y->text, NULL, 10), text, sizeof(text));
	else
		print_float(y->text, text, sizeof(text));
	ftp_yaml_set_text(y, text);
	return 0;
}

void ftp_config_rules_print(struct ftp_yaml *root)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		if (rules[i].check == check_units || rules[i].check == check_float ||
			rules[i].check == check_steps)
			ftp_yaml_each(root, rules[i].path, print_one, (void *)&rules[i]);
	}
}
