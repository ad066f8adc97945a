"""Reads the file of test_safetensors.c by the format's description; 0 when all is as expected."""
import json
import struct
import sys

EXPECTED = {  # in the model's order
    "stem.conv.weight": [2, 3, 1, 1],
    "stem.bn.running_mean": [5],
    "stem.bn.weight": [17],
    "fc.weight": [3, 2],
}
METADATA = {
    "format": "pt",
    "model": 'toy-"1.0"',
    "params_digest": "0123456789abcdef0123456789abcdef",
    "input_mean": "0.25",
    "input_std": "0.5",
}


def parse(blob):
    (n,) = struct.unpack("<Q", blob[:8])
    assert n % 8 == 0 and blob[8:9] == b"{", "the header begins at once and is aligned"
    header = json.loads(blob[8 : 8 + n])
    return header, blob[8 + n :]


def check_by_hand(blob):
    header, data = parse(blob)
    metadata = header.pop("__metadata__")
    assert all(isinstance(v, str) for v in metadata.values())
    assert METADATA.items() <= metadata.items(), metadata
    assert list(header) == list(EXPECTED)
    at = 0
    for t, (name, shape) in enumerate(EXPECTED.items()):
        n = 1
        for d in shape:
            n *= d
        assert header[name]["dtype"] == "F32" and header[name]["shape"] == shape
        begin, end = header[name]["data_offsets"]
        assert (begin, end) == (at, at + 4 * n), "tensors follow each other without holes"
        at = end
        values = struct.unpack("<%df" % n, data[begin:end])
        assert values == tuple(1000.0 * t + i for i in range(n)), name
    assert at == len(data)


def check_by_torch(blob):
    try:
        import torch
    except ImportError:
        print("torch is not installed: read by hand only")
        return
    header, data = parse(blob)
    for t, (name, shape) in enumerate(EXPECTED.items()):
        begin, end = header[name]["data_offsets"]
        tensor = torch.frombuffer(bytearray(data[begin:end]), dtype=torch.float32).reshape(shape)
        expected = 1000.0 * t + torch.arange(tensor.numel(), dtype=torch.float32)
        assert torch.equal(tensor.flatten(), expected), name
    print("loaded by torch", torch.__version__)


with open(sys.argv[1], "rb") as f:
    content = f.read()
check_by_hand(content)
check_by_torch(content)
