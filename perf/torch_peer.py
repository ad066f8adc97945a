"""One run of the PyTorch peer (perf/peers/pytorch): a central node and its workers, on this machine."""
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

import common

sys.path.insert(0, os.path.join(common.ROOT, "tests", "e2e"))
from cluster import free_ports  # noqa: E402

PROGRAM = os.path.join(common.ROOT, "perf", "peers", "pytorch", "mini.py")


def missing():
    """Whether its packages are not there."""
    there = subprocess.run([common.PYTHON, "-c", "import torch, flask, requests"],
                           stderr=subprocess.DEVNULL, check=False)
    if there.returncode:
        common.log("the peer is skipped: it needs python3-torch, python3-flask, python3-requests")
    return there.returncode != 0


def run(nodes, batch, batches, arguments, seconds=300):
    """The steady part of one run, as the peer itself sees it."""
    port = free_ports(nodes)
    ports = [str(port + i) for i in range(1, nodes)]
    log_dir = tempfile.mkdtemp(prefix="ftp-bench-")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
                   "PYTHONDONTWRITEBYTECODE": "1"}
    workers = []
    try:
        for p in ports:
            with open(os.path.join(log_dir, p), "w", encoding="utf-8") as errors:
                workers.append(subprocess.Popen([common.PYTHON, PROGRAM, "worker", "--port", p],
                                                env=environment, stderr=errors))
        done = subprocess.run(
            [common.PYTHON, PROGRAM, "central", "--port", str(port), "--workers", ",".join(ports),
             "--batch", str(batch), "--batches", str(batches), "--lr", "0.01", *arguments],
            env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            timeout=seconds, check=False)
    finally:
        for w in workers:
            w.send_signal(signal.SIGTERM)
            w.wait(timeout=20)
        shutil.rmtree(log_dir)
    found = re.search(r"steady\(\d+\.\.\) samples/s=([\d.]+).*other-procs-cpu/wall=(-?[\d.]+) "
                      r"loss last10=([\d.]+)", done.stdout)
    if done.returncode or not found or not float(found.group(3)) < math.log(10):
        raise SystemExit(f"the peer failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    result = {"samples_per_second": float(found.group(1)), "foreign": max(0.0, float(found.group(2))),
              "points": json.loads(re.search(r"points=(\[.*?\])", done.stdout).group(1))}
    before = re.search(r"before repartition .*samples/s=([\d.]+)", done.stdout)
    if before:
        result["equal_samples_per_second"] = float(before.group(1))
    return result
