#!/usr/bin/python3
"""usage: compare.py DUMP_GRADIENTS [NET...]
Gradients of dump_gradients against PyTorch in float64 on the same weights and batch: the relative L2 distance of
every tensor must be at most 1e-5.

Left out are tensors whose true gradient is zero, found in float64 itself: without the batch norms' eps their
root mean square is below 1e-9 of the net's largest. In nets without activations that is the bias of a batch
norm that only 1x1 convolutions before another batch norm read (which removes a constant per channel), and the
scale of one whose channels stay apart until the next (which removes a factor). What is computed for them is
rounding and the effect of eps; it must stay below 1e-5 of the net's largest, or near the true value.

The other batch norms before a depthwise convolution differ from that by the zero padding at the image's edge
only, so most of their gradient cancels, in PyTorch's float32 as much: its own worst error on the same point is
printed beside ours, and weights and sample counts are chosen where float32 keeps five digits."""
import os
import subprocess
import sys
import tempfile

LIMIT = 1e-5
ZERO = 1e-9
SEED = os.environ.get("FTP_SEED", "1")
NETS = {  # model, width, strides, activations, samples, micro-batches
    "lenet5": ("lenet5", 1.0, "cifar", True, 64, 2),
    "mobilenetv2-0.25-cifar": ("mobilenetv2", 0.25, "cifar", False, 4, 2),
    "mobilenetv2-0.25-imagenet": ("mobilenetv2", 0.25, "imagenet", False, 32, 2),
    "mobilenetv2-1.0-cifar": ("mobilenetv2", 1.0, "cifar", False, 4, 2),
    "mobilenetv2-1.0-imagenet": ("mobilenetv2", 1.0, "imagenet", False, 16, 1),
}


def rms(t):
    return float(t.pow(2).mean().sqrt())


def torch_gradients(spec, tensors, dtype, without_eps=False):
    """{name: gradient} and the loss sum, by PyTorch."""
    import torch
    import nets

    model, width, strides, activations, samples, micro_batches = spec
    net = nets.build(model, width, strides, activations)
    nets.load(net, {n[6:]: t for n, t in tensors.items() if n.startswith("state/")})
    net.to(dtype).train()
    for m in net.modules():
        if without_eps and isinstance(m, torch.nn.BatchNorm2d):
            m.eps = 0.0
    x = torch.from_numpy(tensors["input"]).to(dtype).chunk(micro_batches)
    y = torch.from_numpy(tensors["labels"]).long().chunk(micro_batches)
    total = 0.0
    for xi, yi in zip(x, y):
        loss = torch.nn.functional.cross_entropy(net(xi), yi, reduction="sum")
        (loss / samples).backward()
        total += float(loss)
    return {n: p.grad.double() for n, p in net.named_parameters()}, total


def dumped(dump, spec):
    import tensor_file

    model, width, strides, activations, samples, micro_batches = spec
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "dump.safetensors")
        subprocess.run([dump, model, str(width), strides, "on" if activations else "off",
                        str(samples), str(micro_batches), SEED, path], check=True, timeout=300,
                       env=dict(os.environ, OMP_NUM_THREADS="1"))
        return tensor_file.read(path)


def check(dump, name, spec):
    import torch

    tensors = dumped(dump, spec)
    want, loss = torch_gradients(spec, tensors, torch.float64)
    bare, _ = torch_gradients(spec, tensors, torch.float64, without_eps=True)
    single, _ = torch_gradients(spec, tensors, torch.float32)
    largest = max(rms(g) for g in want.values())
    worst, worst_name, worst32, zeros, bad = 0.0, "", 0.0, 0, []
    for n, g in want.items():
        got = torch.from_numpy(tensors["grad/" + n]).double().reshape(g.shape)
        if rms(bare[n]) < ZERO * largest:
            zeros += 1
            if not rms(got - g) <= LIMIT * largest:
                bad.append("%s: off by rms %.2g where the true gradient is zero" % (n, rms(got - g)))
            continue
        error = float((got - g).norm() / g.norm())
        error32 = float((single[n] - g).norm() / g.norm())
        worst32 = max(worst32, error32)
        if not error <= LIMIT:
            bad.append("%s: relative L2 %.3g, PyTorch float32 %.3g" % (n, error, error32))
        if not error <= worst:
            worst, worst_name = error, n
    if not abs(float(tensors["loss"]) - loss) <= 1e-6 * abs(loss):
        bad.append("loss sum %.9g instead of %.9g" % (float(tensors["loss"]), loss))
    print("%s: %d tensors, worst relative L2 %.2e (%s; PyTorch float32 %.2e), %d with zero true gradient "
          "left out%s" % (name, len(want) - zeros, worst, worst_name, worst32, zeros,
                          "".join("\n  FAILED " + b for b in bad)), flush=True)
    return not bad


def main():
    try:
        import torch
    except ImportError:
        print("skipped: python3-torch is not installed")
        return 77
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    print("FTP_SEED=%s" % SEED)
    names = sys.argv[2:] or list(NETS)
    return 0 if all([check(sys.argv[1], n, NETS[n]) for n in names]) else 1


if __name__ == "__main__":
    sys.exit(main())
