#!/usr/bin/python3
"""The PyTorch peer of "Learns": trains on Fashion-MNIST with given hyper-parameters and prints the test accuracy as
JSON. Batch norm sees batch / micro_batches samples at a time, as a pipeline's micro-batches do."""
import argparse
import json
import os
import sys
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/torch"))


def arguments():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--model", default="mobilenetv2", choices=["mlp", "lenet5", "mobilenetv2"])
    p.add_argument("--width", type=float, default=1.0)
    p.add_argument("--strides", default="cifar", choices=["cifar", "imagenet"])
    p.add_argument("--batch", type=int, default=128)
    p.add_argument("--micro-batches", type=int, default=4)
    p.add_argument("--epochs", type=int, default=1)
    p.add_argument("--steps", type=int, help="end after so many steps")
    p.add_argument("--lr", type=float, default=0.05)
    p.add_argument("--warmup", type=int, default=0, help="steps")
    p.add_argument("--schedule", default="constant", choices=["constant", "cosine"])
    p.add_argument("--momentum", type=float, default=0.9)
    p.add_argument("--weight-decay", type=float, default=4e-5)
    p.add_argument("--nesterov", action="store_true")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--data", help="folder of the IDX files")
    return p.parse_args()


def rate(a, step, n_steps):
    """kernels/optimizer.h's ftp_lr_at with a final rate of 0."""
    import math

    first = max(a.warmup, 1)
    if step < first:
        return a.lr * step / a.warmup
    if a.schedule == "constant":
        return a.lr
    span = n_steps - first
    return a.lr * 0.5 * (1 + math.cos(math.pi * (step - first) / span)) if span > 0 else 0.0


def main():
    a = arguments()
    try:
        import torch
    except ImportError:
        print("skipped: python3-torch is not installed", file=sys.stderr)
        return 77
    import fashion
    import nets

    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    path = a.data or fashion.PATH
    x, y = fashion.load("train", path)
    net = nets.build(a.model, a.width, a.strides)
    net.init_weights()
    net.train().to(memory_format=torch.channels_last)
    opt = torch.optim.SGD(net.parameters(), lr=a.lr, momentum=a.momentum,
                          weight_decay=a.weight_decay, nesterov=a.nesterov)
    loss_of = torch.nn.CrossEntropyLoss(reduction="sum")
    per_epoch = len(x) // a.batch
    n_steps = min(a.steps or per_epoch * a.epochs, per_epoch * a.epochs)
    micro = a.batch // a.micro_batches
    begin = time.monotonic()
    step, total = 0, 0.0
    while step < n_steps:
        order = torch.randperm(len(x))
        for i in range(min(per_epoch, n_steps - step)):
            step += 1
            total = 0.0
            for g in opt.param_groups:
                g["lr"] = rate(a, step, n_steps)
            opt.zero_grad()
            for m in range(a.micro_batches):
                pick = order[i * a.batch + m * micro:][:micro]
                images = fashion.prepare(a.model, x[pick])
                images = images.contiguous(memory_format=torch.channels_last)
                loss = loss_of(net(images), y[pick])
                (loss / a.batch).backward()
                total += loss.item()
            opt.step()
            if step % 20 == 0:
                print("step %d of %d loss %.4f" % (step, n_steps, total / a.batch), file=sys.stderr)
    seconds = time.monotonic() - begin
    print(json.dumps({"model": a.model, "steps": step, "final_loss": total / a.batch,
                      "test_accuracy": fashion.accuracy(net, a.model, path),
                      "samples_per_second": step * a.batch / seconds,
                      "torch": torch.__version__}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
