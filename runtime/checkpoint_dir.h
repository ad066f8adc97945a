/* A checkpoint directory for tools: opened, looked at and cleaned up without a node, synchronously,
 * through the same core. Any one thread. */
#ifndef FTP_RUNTIME_CHECKPOINT_DIR_H
#define FTP_RUNTIME_CHECKPOINT_DIR_H

#include "runtime/checkpoint.h"

struct ftp_checkpoint_dir {
	struct ftp_disk *disk;
	struct ftp_checkpoint *store;
};

enum ftp_checkpoint_dir_mode {
	FTP_CHECKPOINT_DIR_LOOK,   /* records are believed by their headers */
	FTP_CHECKPOINT_DIR_VERIFY, /* every byte is read */
	FTP_CHECKPOINT_DIR_WRITE,  /* the same; nobody else may use it meanwhile */
};

/* -errno with its text: the directory, or what the disk said; -ENODATA: there is no checkpoint in
 * it. */
int ftp_checkpoint_dir_open(struct ftp_checkpoint_dir *d, const char *path,
	enum ftp_checkpoint_dir_mode mode, struct ftp_error *err);
void ftp_checkpoint_dir_close(struct ftp_checkpoint_dir *d);

/* The record of exactly that name; into has room for name->bytes. -ENODATA: it is not there;
 * -EBADMSG: damaged; or what the disk said. */
int ftp_checkpoint_dir_get(
	struct ftp_checkpoint_dir *d, const struct ftp_checkpoint_name *name, void *into);

/* Removes the segments that hold nothing; returns how many, or -errno. */
int ftp_checkpoint_dir_trim(struct ftp_checkpoint_dir *d, struct ftp_error *err);

#endif
