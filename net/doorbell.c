#include "net/doorbell.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/seqpacket.h"

/* Sealed against shrinking: reading what the peer has cut off would be fatal. */
static int make_words(struct ftp_error *err)
{
	int fd = memfd_create("ftp_doorbell", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return ftp_error_set(err, errno, "memfd_create: %s", strerror(errno));
	if (ftruncate(fd, sizeof(struct ftp_doorbell_words)) < 0 ||
		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		int e = errno;

		close(fd);
		return ftp_error_set(err, e, "doorbell memory: %s", strerror(e));
	}
	return fd;
}

static bool is_words(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_size == (off_t)sizeof(struct ftp_doorbell_words) &&
	       fcntl(fd, F_GET_SEALS) >= 0 && (fcntl(fd, F_GET_SEALS) & F_SEAL_SHRINK);
}

static int init(struct ftp_doorbell *d, int socket, int memory, int self, struct ftp_error *err)
{
	void *words = mmap(NULL, sizeof(struct ftp_doorbell_words), PROT_READ | PROT_WRITE,
		MAP_SHARED, memory, 0);

	if (words == MAP_FAILED)
		return ftp_error_set(err, errno, "doorbell memory: %s", strerror(errno));
	*d = (struct ftp_doorbell){.words = words, .socket = socket, .self = self};
	return 0;
}

int ftp_doorbell_offer(struct ftp_doorbell *d, int socket, const void *greeting, size_t bytes,
	struct ftp_error *err)
{
	int memory = make_words(err), ret;

	if (memory < 0)
		return memory;
	ret = init(d, socket, memory, 0, err);
	if (ret == 0) {
		ret = ftp_seqpacket_send(socket, greeting, bytes, memory);
		if (ret < 0) {
			munmap(d->words, sizeof(*d->words));
			d->words = NULL;
			ftp_error_set(err, -ret, "doorbell: %s", strerror(-ret));
		}
	}
	close(memory);
	return ret;
}

int ftp_doorbell_take(struct ftp_doorbell *d, int socket, int memory, struct ftp_error *err)
{
	int ret;

	if (memory < 0 || !is_words(memory))
		ret = ftp_error_set(err, EPROTO, "doorbell: the peer sent no memory of ours");
	else
		ret = init(d, socket, memory, 1, err);
	if (memory >= 0)
		close(memory);
	return ret;
}

int ftp_doorbell_pair(struct ftp_doorbell ends[2], struct ftp_error *err)
{
	int sockets[2], memory, ret;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sockets) < 0)
		return ftp_error_set(err, errno, "socketpair: %s", strerror(errno));
	ret = ftp_doorbell_offer(&ends[0], sockets[0], "", 1, err);
	if (ret == 0) {
		char greeting;

		ftp_seqpacket_receive(sockets[1], &greeting, 1, &memory);
		ret = ftp_doorbell_take(&ends[1], sockets[1], memory, err);
		if (ret == 0)
			return 0;
		munmap(ends[0].words, sizeof(*ends[0].words));
	}
	close(sockets[0]);
	close(sockets[1]);
	return ret;
}

void ftp_doorbell_close(struct ftp_doorbell *d)
{
	if (!d->words)
		return;
	close(d->socket);
	munmap(d->words, sizeof(*d->words));
	d->words = NULL;
}

void ftp_doorbell_wake(struct ftp_doorbell *d)
{
	/* Only one ring for one sleep: the socket never fills. */
	if (atomic_exchange(&d->words->end[!d->self].asleep, 0))
		ftp_seqpacket_send(d->socket, "", 1, -1);
}

int ftp_doorbell_arm(struct ftp_doorbell *d)
{
	atomic_store_explicit(&d->words->end[d->self].asleep, 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
	return d->socket;
}

bool ftp_doorbell_check(struct ftp_doorbell *d)
{
	char byte;
	int fd;
	ssize_t n;

	while (!d->gone && (n = ftp_seqpacket_receive(d->socket, &byte, 1, &fd)) != -EAGAIN) {
		d->gone = n <= 0;
		if (fd >= 0)
			close(fd);
	}
	return d->gone;
}

void ftp_doorbell_disarm(struct ftp_doorbell *d)
{
	atomic_store_explicit(&d->words->end[d->self].asleep, 0, memory_order_relaxed);
	ftp_doorbell_check(d);
}
