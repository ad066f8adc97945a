#!/usr/bin/python3
"""usage: load_safetensors.py FILE lenet5|mlp|mobilenetv2 [WIDTH [cifar|imagenet]]
Loads a run's model.safetensors in PyTorch and prints its accuracy on the Fashion-MNIST test set as JSON."""
import json
import sys


def main():
    try:
        import torch
    except ImportError:
        print("skipped: python3-torch is not installed", file=sys.stderr)
        return 77
    import fashion
    import nets
    import tensor_file

    if len(sys.argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    model = sys.argv[2]
    width = float(sys.argv[3]) if len(sys.argv) > 3 else 1.0
    strides = sys.argv[4] if len(sys.argv) > 4 else "cifar"
    net = nets.build(model, width, strides)
    nets.load(net, tensor_file.read(sys.argv[1]))
    print(json.dumps({"model": model, "accuracy": fashion.accuracy(net, model),
                      "parameters": nets.n_params(net)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
