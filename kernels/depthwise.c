#include "kernels/depthwise.h"

#include "kernels/isa.h"
#include "runtime/base/error.h"

struct ftp_depthwise ftp_depthwise_shape(int h, int w, int stride)
{
	ftp_assert(h > 0 && w > 0 && (stride == 1 || stride == 2));
	return (struct ftp_depthwise){
		.h = h,
		.w = w,
		.h_out = (h - 1) / stride + 1,
		.w_out = (w - 1) / stride + 1,
		.stride = stride,
	};
}

const struct ftp_depthwise_passes *ftp_depthwise_current(void)
{
	return ftp_isa_current() >= FTP_ISA_AVX512 ? &ftp_depthwise_avx512
						   : &ftp_depthwise_portable;
}
