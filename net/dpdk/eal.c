#include "net/dpdk/eal.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "net/dpdk/device.h"
#include "runtime/base/log.h"

#define MAX_ARGS      48
#define MAX_PREFIX    64
#define MIN_MEMORY_MB 32
#define HUGE_FREE     "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"

/* DPDK wants a directory for files that it then does not make (--no-shconf, --no-telemetry). Where
 * it cannot have one it goes on without, which is what we want: nothing to remove after a kill -9.
 */
#define NO_RUNTIME_DIRECTORY "/proc/self/no-runtime-directory"

static struct eal {
	bool started;
	char last_words[256]; /* DPDK's last error or warning: its return codes say little */
	FILE *log;
} eal;

/* Said in every healthy start. */
static const char *const harmless[] = {
	"No DPDK runtime directory created",
	NO_RUNTIME_DIRECTORY,
	"Failed to register mp action callback",
};

static bool is_harmless(const char *line)
{
	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
		if (strstr(line, harmless[i]))
			return true;
	return false;
}

static ssize_t log_write(void *cookie, const char *text, size_t bytes)
{
	enum ftp_log_level level = FTP_LOG_DEBUG;
	char line[512];
	size_t n = bytes < sizeof(line) ? bytes : sizeof(line) - 1;
	uint32_t rte_level = (uint32_t)rte_log_cur_msg_loglevel();

	(void)cookie;
	memcpy(line, text, n);
	while (n && isspace((unsigned char)line[n - 1]))
		n--;
	line[n] = 0;
	if (n && !is_harmless(line)) {
		if (rte_level <= RTE_LOG_ERR)
			level = FTP_LOG_ERROR;
		else if (rte_level <= RTE_LOG_WARNING)
			level = FTP_LOG_WARNING;
		if (level <= FTP_LOG_WARNING)
			snprintf(eal.last_words, sizeof(eal.last_words), "%s", line);
	}
	/* Failures of the start travel in struct ftp_error, so that they are told once. */
	if (n)
		ftp_log(eal.started ? level : FTP_LOG_DEBUG, "dpdk: %s", line);
	return (ssize_t)bytes;
}

static int open_log(struct ftp_error *err)
{
	cookie_io_functions_t io = {.write = log_write};

	eal.log = fopencookie(NULL, "w", io);
	if (!eal.log || rte_openlog_stream(eal.log) < 0)
		return ftp_error_set(err, ENOMEM, "dpdk: cannot open its log stream");
	setvbuf(eal.log, NULL, _IOLBF, BUFSIZ);
	return 0;
}

/* "0@(0,1,5)": one lcore on every CPU that we have, or DPDK would pin the calling thread and every
 * thread made later to one of them. */
static int format_lcores(char *text, size_t bytes, struct ftp_error *err)
{
	cpu_set_t cpus;
	size_t n;
	int any = 0;

	if (sched_getaffinity(0, sizeof(cpus), &cpus) < 0)
		return ftp_error_set(err, errno, "sched_getaffinity: %s", strerror(errno));
	n = (size_t)snprintf(text, bytes, "0@(");
	for (int cpu = 0; cpu < CPU_SETSIZE && n + 8 < bytes; cpu++)
		if (CPU_ISSET(cpu, &cpus))
			n += (size_t)snprintf(text + n, bytes - n, any++ ? ",%d" : "%d", cpu);
	snprintf(text + n, bytes - n, ")");
	return 0;
}

static long free_hugepages(void)
{
	FILE *f = fopen(HUGE_FREE, "re");
	long n = 0;

	if (!f)
		return 0;
	if (fscanf(f, "%ld", &n) != 1)
		n = 0;
	fclose(f);
	return n;
}

static int check_params(const struct ftp_eal_params *params, struct ftp_error *err)
{
	size_t need_pages = (params->memory_bytes + (2u << 20) - 1) >> 21;

	if (!*params->prefix || strlen(params->prefix) > MAX_PREFIX)
		return ftp_error_set(
			err, EINVAL, "dpdk: prefix must have 1 to %d bytes", MAX_PREFIX);
	for (const char *c = params->prefix; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("._-", *c))
			return ftp_error_set(err, EINVAL,
				"dpdk: prefix \"%s\" may only have letters, digits and . _ -",
				params->prefix);
	if (params->hugepages && (size_t)free_hugepages() < need_pages)
		return ftp_error_set(err, ENOMEM,
			"dpdk: needs %zu free hugepages of 2 MiB, %ld are free: raise "
			"vm.nr_hugepages, "
			"or turn hugepages off",
			need_pages, free_hugepages());
	return 0;
}

/* Starts DPDK with RUNTIME_DIRECTORY pointing nowhere, then puts the variable back. */
static int init_without_files(int argc, char **argv)
{
	const char *old = getenv("RUNTIME_DIRECTORY");
	char *saved = old ? strdup(old) : NULL;
	int ret;

	setenv("RUNTIME_DIRECTORY", NO_RUNTIME_DIRECTORY, 1);
	ret = rte_eal_init(argc, argv);
	if (saved)
		setenv("RUNTIME_DIRECTORY", saved, 1);
	else
		unsetenv("RUNTIME_DIRECTORY");
	free(saved);
	return ret;
}

/* Splits extra at blanks, in place, behind argv[0..argc). */
static int append_extra(char **argv, int argc, char *extra, struct ftp_error *err)
{
	char *save = NULL;

	for (char *arg = strtok_r(extra, " \t", &save); arg; arg = strtok_r(NULL, " \t", &save)) {
		if (argc == MAX_ARGS)
			return ftp_error_set(err, EINVAL, "net.eal: too many arguments");
		argv[argc++] = arg;
	}
	return argc;
}

static int start(const struct ftp_eal_params *params, char *extra, struct ftp_error *err)
{
	size_t megabytes = (params->memory_bytes + (1u << 20) - 1) >> 20;
	char *argv[MAX_ARGS + 1] = {NULL};
	char prefix[MAX_PREFIX + 16], memory[24], lcores[4096];
	int argc = 0, ret;

	if (megabytes < MIN_MEMORY_MB)
		megabytes = MIN_MEMORY_MB;
	snprintf(prefix, sizeof(prefix), "--file-prefix=%s", params->prefix);
	snprintf(memory, sizeof(memory), "%zu", megabytes);
	ret = format_lcores(lcores, sizeof(lcores), err);
	if (ret < 0)
		return ret;
	argv[argc++] = (char[]){"ftpipe"};
	argv[argc++] = (char[]){"--no-pci"};
	argv[argc++] = (char[]){"--no-telemetry"};
	argv[argc++] = (char[]){"--no-shconf"};
	argv[argc++] = (char[]){"--iova-mode=va"};
	argv[argc++] = (char[]){"--log-level=warning"};
	argv[argc++] = params->hugepages ? (char[]){"--in-memory"} : (char[]){"--no-huge"};
	argv[argc++] = prefix;
	argv[argc++] = (char[]){"--lcores"};
	argv[argc++] = lcores;
	argv[argc++] = (char[]){"-m"};
	argv[argc++] = memory;
	argc = append_extra(argv, argc, extra, err);
	if (argc < 0)
		return argc;
	if (init_without_files(argc, argv) < 0) {
		ret = rte_errno ? rte_errno : EIO;
		return ftp_error_set(
			err, ret, "dpdk did not start: %s (%s)", eal.last_words, rte_strerror(ret));
	}
	return 0;
}

int ftp_eal_start(const struct ftp_eal_params *params, struct ftp_error *err)
{
	cpu_set_t affinity;
	char *extra;
	int ret;

	if (eal.log)
		return ftp_error_set(err, EALREADY,
			"dpdk cannot start twice in one process: restart the process instead");
	ret = check_params(params, err);
	if (ret < 0)
		return ret;
	ret = open_log(err);
	if (ret < 0)
		return ret;
	extra = strdup(params->extra ? params->extra : "");
	if (!extra)
		return ftp_error_set(err, ENOMEM, "dpdk: out of memory");
	pthread_getaffinity_np(pthread_self(), sizeof(affinity), &affinity);
	ret = start(params, extra, err);
	pthread_setaffinity_np(pthread_self(), sizeof(affinity), &affinity);
	free(extra);
	eal.started = ret == 0;
	ftp_device_use_directory(params->directory);
	return ret;
}

bool ftp_eal_is_started(void)
{
	return eal.started;
}

/* Not rte_eal_cleanup(): it unmaps DPDK's memory under the interrupt thread, which it never ends
 * and which may just be looking at what the last port's close has changed (a crash at exit in one
 * run of thirty). There is nothing to clean up: no files, and memory and thread go with the
 * process. */
void ftp_eal_stop(void)
{
	eal.started = false;
}
