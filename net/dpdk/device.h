/* memif devices of DPDK: made, started and removed while DPDK runs. */
#ifndef FTP_NET_DPDK_DEVICE_H
#define FTP_NET_DPDK_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mempool.h>

#include "net/wire.h"
#include "runtime/base/error.h"

/* The largest frame, and the size of a slot: a frame never spans two slots, which DPDK 22.11's
 * driver gets wrong (it overwrites a full ring). Carrier and head make 128 bytes: payload is
 * aligned. */
#define FTP_DEVICE_HEAD_BYTES  (FTP_WIRE_CARRIER_BYTES + FTP_WIRE_HEAD_BYTES)
#define FTP_DEVICE_FRAME_BYTES (FTP_DEVICE_HEAD_BYTES + FTP_WIRE_MAX_PAYLOAD_BYTES)
#define FTP_DEVICE_LOG2_SLOTS                                                                      \
	8 /* 256 slots, 4 MiB a direction: fits a second-level cache's reach */

struct ftp_device {
	uint32_t id;   /* the same at both ends; the server chooses it */
	uint16_t port; /* DPDK's port number */
	bool exists;
	char name[32];
};

/* As ftp_eal_params.directory. */
void ftp_device_use_directory(const char *directory);

/* A server: waits for ftp_device_connect(). rx: the pool that packets are received into, lent. */
int ftp_device_add_server(struct ftp_device *d, struct rte_mempool *rx, struct ftp_error *err);

/* A connection to the driver of a server; -EAGAIN: it is busy, try again. */
int ftp_device_connect(struct ftp_error *err);

/* A client, its driver connected to *driver. */
int ftp_device_add_client(struct ftp_device *d, uint32_t id, struct rte_mempool *rx, int *driver,
	struct ftp_error *err);

/* Unmaps the rings: nobody may poll the device. The driver's socket must still be open. */
void ftp_device_remove(struct ftp_device *d);

#endif
