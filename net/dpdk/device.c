#include "net/dpdk/device.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_bus_vdev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#include "net/seqpacket.h"
#include "runtime/base/shm.h"

#define LISTENER "net_memif_listener"

/* The driver's listening socket, one for all servers of the process and for its whole life: the
 * driver never takes a listener out of its interrupt thread again, not when the device is removed
 * (it frees the memory under it). It is held by a device that is never started. Its name in the
 * file system is gone before anybody could use it; we connect through a descriptor of the nameless
 * inode. */
static int listener_inode = -1;
static char listener_path[80]; /* by which the driver knows it */
static uint32_t last_id;       /* 0 is the listener's */

/* In this order: memory first, where no disk is waited for. The second is the caller's choice, or
 * NULL. */
static const char *listener_directories[] = {FTP_SHM_HOME, NULL, "/tmp"};

void ftp_device_use_directory(const char *directory)
{
	listener_directories[1] = directory;
}

/* dir_fd: a directory of our own, by whose descriptor the path stays short. */
static int make_listener_at(int dir_fd)
{
	char args[160];
	int ret, fd;

	snprintf(listener_path, sizeof(listener_path), "/proc/self/fd/%d/" FTP_SHM_SOCKET, dir_fd);
	snprintf(
		args, sizeof(args), "role=server,id=0,socket=%s,socket-abstract=no", listener_path);
	ret = rte_vdev_init(LISTENER, args);
	if (ret < 0)
		return ret;
	fd = openat(dir_fd, FTP_SHM_SOCKET, O_PATH | O_CLOEXEC);
	if (fd < 0) {
		ret = -errno;
		rte_vdev_uninit(LISTENER);
		return ret;
	}
	listener_inode = fd;
	return 0;
}

/* Locked, so that nobody takes it for that of a dead process: who did so in the moment before has
 * removed it. */
static int open_own(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	if (fd < 0)
		return -errno;
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

static int make_listener_in(const char *directory)
{
	char dir[PATH_MAX];
	int ret, dir_fd;

	if (snprintf(dir, sizeof(dir), "%s/" FTP_SHM_LISTENER "XXXXXX", directory) >=
		(int)sizeof(dir))
		return -ENAMETOOLONG;
	if (!mkdtemp(dir))
		return -errno;
	dir_fd = open_own(dir);
	ret = dir_fd < 0 ? dir_fd : make_listener_at(dir_fd);
	if (dir_fd >= 0) {
		unlinkat(dir_fd, FTP_SHM_SOCKET, 0);
		close(dir_fd);
	}
	rmdir(dir);
	return ret;
}

static int make_listener(struct ftp_error *err)
{
	int ret = -ENOENT;

	for (size_t i = 0; listener_inode < 0; i++) {
		if (i == sizeof(listener_directories) / sizeof(listener_directories[0]))
			return ftp_error_set(err, -ret,
				"memif: no listener in " FTP_SHM_HOME "%s%s or %s: %s",
				listener_directories[1] ? ", " : "",
				listener_directories[1] ? listener_directories[1] : "",
				listener_directories[2], strerror(-ret));
		if (listener_directories[i])
			ret = make_listener_in(listener_directories[i]);
	}
	return 0;
}

static int start(
	struct ftp_device *d, const char *args, struct rte_mempool *rx, struct ftp_error *err)
{
	const struct rte_eth_conf conf = {0};
	int ret = rte_vdev_init(d->name, args);

	if (ret < 0)
		return ftp_error_set(
			err, -ret, "memif: cannot add %s: %s", d->name, rte_strerror(-ret));
	d->exists = true;
	ret = rte_eth_dev_get_port_by_name(d->name, &d->port);
	if (ret == 0)
		ret = rte_eth_dev_configure(d->port, 1, 1, &conf);
	if (ret == 0)
		ret = rte_eth_rx_queue_setup(
			d->port, 0, 1 << FTP_DEVICE_LOG2_SLOTS, SOCKET_ID_ANY, NULL, rx);
	if (ret == 0)
		ret = rte_eth_tx_queue_setup(
			d->port, 0, 1 << FTP_DEVICE_LOG2_SLOTS, SOCKET_ID_ANY, NULL);
	if (ret == 0)
		ret = rte_eth_dev_start(d->port);
	if (ret < 0) {
		ftp_device_remove(d);
		return ftp_error_set(
			err, ENODEV, "memif: cannot start %s: %s", d->name, rte_strerror(-ret));
	}
	return 0;
}

int ftp_device_add_server(struct ftp_device *d, struct rte_mempool *rx, struct ftp_error *err)
{
	char args[256];
	int ret = make_listener(err);

	if (ret < 0)
		return ret;
	/* It says "abstract" so that the driver takes its listener of that name unseen. */
	*d = (struct ftp_device){.id = ++last_id};
	snprintf(d->name, sizeof(d->name), "net_memif%u", d->id);
	snprintf(args, sizeof(args),
		"role=server,id=%u,bsize=%u,rsize=%u,socket=%s,socket-abstract=yes", d->id,
		FTP_DEVICE_FRAME_BYTES, FTP_DEVICE_LOG2_SLOTS, listener_path);
	return start(d, args, rx, err);
}

int ftp_device_connect(struct ftp_error *err)
{
	char path[64];
	int s;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", listener_inode);
	s = ftp_seqpacket_connect(path);
	if (s < 0 && s != -EAGAIN)
		ftp_error_set(err, -s, "memif: cannot reach our own driver: %s", strerror(-s));
	return s;
}

/* Takes the connection of our own driver; a stranger's is closed. */
static int accept_driver(int listener, struct ftp_error *err)
{
	struct ucred peer;
	socklen_t bytes = sizeof(peer);

	for (;;) {
		int s = ftp_seqpacket_accept(listener);

		if (s < 0)
			return ftp_error_set(
				err, -s, "memif: our own driver did not connect: %s", strerror(-s));
		if (getsockopt(s, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0 &&
			peer.pid == getpid())
			return s;
		close(s);
	}
}

int ftp_device_add_client(struct ftp_device *d, uint32_t id, struct rte_mempool *rx, int *driver,
	struct ftp_error *err)
{
	char args[256], socket[64];
	uint64_t nonce;
	int listener, ret;

	*d = (struct ftp_device){.id = id};
	if (getrandom(&nonce, sizeof(nonce), 0) != sizeof(nonce))
		return ftp_error_set(err, EIO, "memif: no random numbers");
	snprintf(d->name, sizeof(d->name), "net_memif%u", ++last_id);
	snprintf(socket, sizeof(socket), "ftpipe-driver-%d-%016" PRIx64, getpid(), nonce);
	snprintf(args, sizeof(args), "role=client,id=%u,bsize=%u,rsize=%u,socket=%s", id,
		FTP_DEVICE_FRAME_BYTES, FTP_DEVICE_LOG2_SLOTS, socket);
	listener = ftp_seqpacket_listen(socket, err);
	if (listener < 0)
		return listener;
	ret = start(d, args, rx, err);
	if (ret == 0) {
		*driver = accept_driver(listener, err);
		if (*driver < 0) {
			ret = *driver;
			ftp_device_remove(d);
		}
	}
	close(listener);
	return ret;
}

void ftp_device_remove(struct ftp_device *d)
{
	if (!d->exists)
		return;
	rte_eth_dev_stop(d->port);
	rte_eth_dev_close(d->port);
	rte_vdev_uninit(d->name);
	d->exists = false;
}
