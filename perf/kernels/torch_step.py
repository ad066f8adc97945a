#!/usr/bin/python3
"""usage: torch_step.py MODEL WIDTH cifar|imagenet BATCH nchw|channels_last
PyTorch's side of bench_kernels, with the same conversation on stdin and stdout (see bench_kernels.c)."""
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/torch"))
import torch
import nets


def main():
    model, width, strides, batch, layout = sys.argv[1:6]
    batch = int(batch)
    torch.set_num_threads(1)
    torch.manual_seed(1)
    net = nets.build(model, float(width), strides)
    net.init_weights()
    net.train()
    shape = (3, 32, 32) if model == "mobilenetv2" else (1, 28, 28)
    x = torch.randn(batch, *shape)
    y = torch.arange(batch) % 10
    if layout == "channels_last":
        net = net.to(memory_format=torch.channels_last)
        x = x.contiguous(memory_format=torch.channels_last)
    opt = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=4e-5)
    loss_of = torch.nn.CrossEntropyLoss()
    print(json.dumps({"parameters": nets.n_params(net), "torch": torch.__version__}), flush=True)
    for line in sys.stdin:
        ms = []
        for _ in range(int(line)):
            begin = time.perf_counter()
            opt.zero_grad(set_to_none=True)
            loss = loss_of(net(x), y)
            loss.backward()
            opt.step()
            ms.append((time.perf_counter() - begin) * 1e3)
        print(json.dumps({"ms": ms, "loss": float(loss)}), flush=True)


if __name__ == "__main__":
    main()
