/* The model that a configuration names. Pure. */
#ifndef FTP_CTL_CONFIG_MODEL_H
#define FTP_CTL_CONFIG_MODEL_H

#include "ctl/config.h"
#include "kernels/model.h"

/* The name is the configuration's: lent as long as c lives. */
struct ftp_model_spec ftp_config_model_spec(const struct ftp_config *c);

#endif
