#include "kernels/ops.h"

#define BIT(kind) (1u << (kind))

const struct ftp_op ftp_op_table[FTP_N_LAYER_KINDS] = {
	[FTP_LAYER_CONV] = {"conv", BIT(FTP_LAYER_RELU), ftp_op_conv_forward, ftp_op_conv_backward},
	[FTP_LAYER_BN] = {"bn", BIT(FTP_LAYER_ADD) | BIT(FTP_LAYER_RELU) | BIT(FTP_LAYER_RELU6),
		ftp_op_bn_forward, ftp_op_bn_backward},
	[FTP_LAYER_RELU] = {"relu", 0, ftp_op_elementwise_clip_forward,
		ftp_op_elementwise_clip_backward},
	[FTP_LAYER_RELU6] = {"relu6", 0, ftp_op_elementwise_clip_forward,
		ftp_op_elementwise_clip_backward},
	[FTP_LAYER_ADD] = {"add", 0, ftp_op_elementwise_add_forward,
		ftp_op_elementwise_add_backward},
	[FTP_LAYER_AVG_POOL] = {"avg_pool", 0, ftp_op_pool_forward, ftp_op_pool_backward},
	[FTP_LAYER_MAX_POOL] = {"max_pool", 0, ftp_op_pool_forward, ftp_op_pool_backward},
	[FTP_LAYER_FC] = {"fc", BIT(FTP_LAYER_RELU), ftp_op_fc_forward, ftp_op_fc_backward},
	[FTP_LAYER_LOSS] = {"loss", 0, ftp_op_loss_forward, ftp_op_loss_backward},
};

const struct ftp_op ftp_op_depthwise = {
	"depthwise", 0, ftp_op_depthwise_forward, ftp_op_depthwise_backward};
const struct ftp_op ftp_op_dwblock = {
	"dwblock", 0, ftp_op_dwblock_forward, ftp_op_dwblock_backward};
const struct ftp_op ftp_op_blockconv = {
	"conv", BIT(FTP_LAYER_RELU), ftp_op_blockconv_forward, ftp_op_blockconv_backward};
const struct ftp_op ftp_op_reference = {
	"reference", 0, ftp_op_reference_forward, ftp_op_reference_backward};
