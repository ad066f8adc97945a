#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/doctor_checks.h"
#include "ctl/paths.h"
#include "runtime/base/address.h"

static bool file_exists(const char *pattern)
{
	glob_t found;
	bool any = !glob(pattern, GLOB_NOSORT, NULL, &found);

	globfree(&found);
	return any;
}

void ftp_doctor_dpdk(const struct ftp_config *c, struct ftp_doctor_result *r)
{
	static const char *const drivers[] = {"librte_net_memif.so*", "librte_mempool_ring.so*"};
	char pattern[256];

	FTP_DOCTOR_SAY(r->need, "memif and ring drivers");
	if (c && c->net.port == FTP_NET_UDP) {
		FTP_DOCTOR_SAY(r->need, "none (net.port is udp)");
		return;
	}
	if (FTP_BUILT_DPDK_STATIC) {
		FTP_DOCTOR_SAY(r->have, "built in, DPDK %s", FTP_BUILT_DPDK);
		return;
	}
	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
		FTP_DOCTOR_SAY(pattern, "%s/dpdk/pmds-*/%s", FTP_BUILT_DPDK_LIBDIR, drivers[i]);
		if (file_exists(pattern))
			continue;
		r->state = FTP_DOCTOR_FAIL;
		FTP_DOCTOR_SAY(r->have, "no %s", pattern);
		FTP_DOCTOR_SAY(r->fix, "apt-get install librte-net-memif23 librte-mempool-ring23");
		return;
	}
	FTP_DOCTOR_SAY(
		r->have, "plugins below %s/dpdk, DPDK %s", FTP_BUILT_DPDK_LIBDIR, FTP_BUILT_DPDK);
}

/* 0, or the errno of a bind. */
static int try_bind(const char *text)
{
	struct sockaddr_storage addr;
	socklen_t bytes;
	int fd, on = 1, rc = 0;

	if (ftp_address_parse(text, &addr, &bytes, NULL))
		return EINVAL;
	fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&addr, bytes) || listen(fd, 1))
		rc = errno;
	close(fd);
	return rc;
}

static void try_port(const char *key, const char *address, struct ftp_doctor_result *r)
{
	size_t n = strlen(r->need);
	int rc;

	if (!strcmp(address, FTP_CONFIG_OFF))
		return;
	snprintf(r->need + n, sizeof(r->need) - n, "%s%s", n ? ", " : "", address);
	rc = try_bind(address);
	if (!rc || r->state == FTP_DOCTOR_FAIL)
		return;
	r->state = FTP_DOCTOR_FAIL;
	FTP_DOCTOR_SAY(r->have, "%s: %s", address, strerror(rc));
	FTP_DOCTOR_SAY(r->fix, "is a run live (ftpctl status)? Else choose another %s", key);
}

void ftp_doctor_ports(const struct ftp_config *c, struct ftp_doctor_result *r)
{
	char key[64];

	FTP_DOCTOR_SAY(r->have, "all free");
	try_port("cluster.coordinator.listen", c->cluster.coordinator_listen, r);
	try_port("metrics.listen", c->metrics_listen, r);
	for (uint32_t i = 0; i < c->n_nodes; i++) {
		snprintf(key, sizeof(key), "nodes.%s.metrics", c->nodes[i].name);
		try_port(key, c->nodes[i].metrics, r);
	}
}

/* The readable one of dir/NAME[.gz] over names; false: none. why gets the errno. */
static bool find_data(const char *dir, const char *const names[2], int *why)
{
	static const char *const endings[] = {"", ".gz"};
	char path[FTP_PATHS_MAX];

	*why = ENOENT;
	for (int i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s/%s%s", dir, names[i / 2], endings[i % 2]);
		if (!access(path, R_OK))
			return true;
		if (errno != ENOENT)
			*why = errno;
	}
	return false;
}

void ftp_doctor_data(const struct ftp_config *c, struct ftp_doctor_result *r)
{
	static const char *const files[][2] = {
		{"train-images-idx3-ubyte", "train-images-idx3-ubyte"},
		{"train-labels-idx1-ubyte", "train-labels-idx1-ubyte"},
		{"t10k-images-idx3-ubyte", "test-images-idx3-ubyte"},
		{"t10k-labels-idx1-ubyte", "test-labels-idx1-ubyte"},
	};
	const char *dir = c->training.dataset.path;
	int why;

	FTP_DOCTOR_SAY(r->need, "4 IDX files in %s", dir);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (find_data(dir, files[i], &why))
			continue;
		r->state = FTP_DOCTOR_FAIL;
		FTP_DOCTOR_SAY(r->have, "%s[.gz]: %s", files[i][0], strerror(why));
		FTP_DOCTOR_SAY(r->fix,
			"apt-get install dataset-fashion-mnist, or point training.dataset.path at "
			"readable files");
		return;
	}
	FTP_DOCTOR_SAY(r->have, "all readable");
}

/* Cuts path to the directory that exists and decides: itself or the nearest parent. 0, or the errno
 * that says why nothing can be written there. */
static int why_not_writable(char *path)
{
	struct stat s;

	while (stat(path, &s)) {
		char *slash = strrchr(path, '/');

		if (errno != ENOENT || !slash)
			return errno;
		slash[slash == path] = 0;
	}
	if (!S_ISDIR(s.st_mode))
		return ENOTDIR;
	return access(path, W_OK | X_OK) ? errno : 0;
}

void ftp_doctor_data_dir(const struct ftp_config *c, struct ftp_doctor_result *r)
{
	char path[FTP_PATHS_MAX];
	int why;

	FTP_DOCTOR_SAY(r->need, "%.200s writable", c->cluster.data_dir);
	snprintf(path, sizeof(path), "%s", c->cluster.data_dir);
	why = why_not_writable(path);
	if (why) {
		r->state = FTP_DOCTOR_FAIL;
		FTP_DOCTOR_SAY(r->have, "%.200s: %s", path, strerror(why));
		FTP_DOCTOR_SAY(r->fix, "set cluster.data_dir to a directory of your own");
	} else if (strcmp(path, c->cluster.data_dir)) {
		FTP_DOCTOR_SAY(r->have, "%.200s is, the rest will be made", path);
	} else {
		FTP_DOCTOR_SAY(r->have, "it is");
	}
}
