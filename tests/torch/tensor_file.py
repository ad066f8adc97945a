"""Reads a safetensors file by its format: 8 bytes little-endian header length, a JSON header
{name: {dtype, shape, data_offsets}}, then the data."""
import json
import struct

import numpy as np

DTYPES = {"F32": "<f4", "F64": "<f8", "I32": "<i4"}


def read(path):
    with open(path, "rb") as f:
        blob = f.read()
    size, = struct.unpack("<Q", blob[:8])
    if size > len(blob) - 8:
        raise SystemExit("%s: header of %d bytes in a file of %d" % (path, size, len(blob)))
    header = json.loads(blob[8:8 + size])
    header.pop("__metadata__", None)
    tensors = {}
    for name, t in header.items():
        begin, end = (8 + size + o for o in t["data_offsets"])
        dtype = np.dtype(DTYPES[t["dtype"]])
        n = int(np.prod(t["shape"], dtype=np.int64))
        if end > len(blob) or end - begin != n * dtype.itemsize:
            raise SystemExit("%s: %s has the wrong size" % (path, name))
        tensors[name] = np.frombuffer(blob, dtype, n, begin).reshape(t["shape"]).copy()
    return tensors
