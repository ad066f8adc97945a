"""The models of kernels/model.h in PyTorch: module paths are its layers' names, so tensor names agree."""
import torch
import torch.nn as nn

# expand, channels, blocks, stride (cifar, imagenet)
ROWS = [(1, 16, 1, (1, 1)), (6, 24, 2, (1, 2)), (6, 32, 3, (2, 2)), (6, 64, 4, (2, 2)),
        (6, 96, 3, (1, 1)), (6, 160, 3, (2, 2)), (6, 320, 1, (1, 1))]


def scale_channels(c, width):
    want = c * width
    got = max(8, int(want + 4) // 8 * 8)
    return got + 8 if got < 0.9 * want else got


class ConvBn(nn.Module):
    """Registers conv and batch norm in its owner under the names that the C model uses."""

    def __init__(self, owner, name, i, o, kernel, stride=1, groups=1, act=None):
        super().__init__()
        conv = nn.Conv2d(i, o, kernel, stride, kernel // 2, groups=groups, bias=False)
        bn = nn.BatchNorm2d(o)
        owner.add_module(name, conv)
        owner.add_module(name + "_bn", bn)
        self.__dict__["run"] = nn.Sequential(*([conv, bn] + ([act] if act else [])))

    def forward(self, x):
        return self.run(x)


class Block(nn.Module):
    def __init__(self, i, o, expand, stride, act):
        super().__init__()
        wide = i * expand
        path = [ConvBn(self, "expand", i, wide, 1, act=act)] if expand != 1 else []
        path.append(ConvBn(self, "depthwise", wide, wide, 3, stride, wide, act))
        path.append(ConvBn(self, "project", wide, o, 1))
        self.__dict__["path"] = path
        self.residual = stride == 1 and i == o

    def forward(self, x):
        y = x
        for p in self.path:
            y = p(y)
        return x + y if self.residual else y


class Holder(nn.Module):
    pass


class MobileNetV2(nn.Module):
    def __init__(self, width=1.0, strides="cifar", activations=True, classes=10):
        super().__init__()
        act = nn.ReLU6(inplace=True) if activations else None
        at = ("cifar", "imagenet").index(strides)
        c = scale_channels(32, width)
        last = scale_channels(1280, max(1.0, width))
        self.stem = Holder()
        self.__dict__["first"] = ConvBn(self.stem, "conv", 3, c, 3, (1, 2)[at], act=act)
        blocks = []
        for expand, channels, n, stride in ROWS:
            o = scale_channels(channels, width)
            for i in range(n):
                blocks.append(Block(c, o, expand, 1 if i else stride[at], act))
                c = o
        self.blocks = nn.Sequential(*blocks)
        self.head = Holder()
        self.__dict__["last"] = ConvBn(self.head, "conv", c, last, 1, act=act)
        self.classifier = Holder()
        self.classifier.fc = nn.Linear(last, classes)

    def forward(self, x):
        x = self.last(self.blocks(self.first(x)))
        return self.classifier.fc(x.mean((2, 3)))

    def init_weights(self):
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                std = (2.0 / (m.kernel_size[0] * m.kernel_size[1] * m.out_channels)) ** 0.5
                nn.init.normal_(m.weight, 0, std)
            elif isinstance(m, nn.Linear):
                nn.init.normal_(m.weight, 0, 0.01)
                nn.init.zeros_(m.bias)


class LeNet5(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, classes)

    def forward(self, x):
        x = torch.max_pool2d(torch.relu(self.conv1(x)), 2)
        x = torch.max_pool2d(torch.relu(self.conv2(x)), 2)
        x = torch.relu(self.fc1(x.flatten(1)))
        return self.fc3(torch.relu(self.fc2(x)))

    def init_weights(self):
        he_fan_in(self)


class Mlp(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.fc1 = nn.Linear(784, 256)
        self.fc2 = nn.Linear(256, 128)
        self.fc3 = nn.Linear(128, classes)

    def forward(self, x):
        x = torch.relu(self.fc2(torch.relu(self.fc1(x.flatten(1)))))
        return self.fc3(x)

    def init_weights(self):
        he_fan_in(self)


def he_fan_in(net):
    for m in net.modules():
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            nn.init.normal_(m.weight, 0, (2.0 / m.weight[0].numel()) ** 0.5)
            nn.init.zeros_(m.bias)


def build(model, width=1.0, strides="cifar", activations=True):
    if model == "mobilenetv2":
        return MobileNetV2(width, strides, activations)
    return {"lenet5": LeNet5, "mlp": Mlp}[model]()


def load(net, tensors):
    """Copies {name: array} into the net; every tensor of either side must find its counterpart."""
    state = net.state_dict()
    want = {n for n in state if not n.endswith("num_batches_tracked")}
    if want != set(tensors):
        raise SystemExit("tensor names differ: %s" % sorted(want ^ set(tensors)))
    for n, t in tensors.items():
        state[n].copy_(torch.as_tensor(t).reshape(state[n].shape))


def n_params(net):
    return sum(p.numel() for p in net.parameters())
