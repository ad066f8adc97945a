"""Fashion-MNIST (IDX files of Debian's dataset-fashion-mnist) as the runtime feeds it to its models."""
import gzip
import os
import struct

import numpy as np
import torch

PATH = "/usr/share/datasets/fashion-mnist"


def read_idx(path):
    plain = os.path.exists(path)
    with open(path, "rb") if plain else gzip.open(path + ".gz") as f:
        n_dims = struct.unpack(">HBB", f.read(4))[2]
        shape = struct.unpack(">%dI" % n_dims, f.read(4 * n_dims))
        return np.frombuffer(f.read(), np.uint8).reshape(shape)


def load(split, path=PATH):
    """split: "train" or "t10k"; images as u8, labels as i64."""
    x = read_idx(os.path.join(path, split + "-images-idx3-ubyte"))
    y = read_idx(os.path.join(path, split + "-labels-idx1-ubyte"))
    return torch.from_numpy(x.copy()), torch.from_numpy(y.copy()).long()


def prepare(model, images):
    """u8 [n][28][28] to the model's input: normalised; for mobilenetv2 then padded with two zeros
    on each side and repeated in three channels."""
    x = ((images.float() / 255 - 0.2860) / 0.3530).unsqueeze(1)
    if model != "mobilenetv2":
        return x
    return torch.nn.functional.pad(x, (2, 2, 2, 2)).expand(-1, 3, -1, -1).contiguous()


def accuracy(net, model, path=PATH, batch=500):
    x, y = load("t10k", path)
    net.eval()
    right = 0
    with torch.no_grad():
        for i in range(0, len(x), batch):
            logits = net(prepare(model, x[i:i + batch]))
            right += int((logits.argmax(1) == y[i:i + batch]).sum())
    return right / len(x)
