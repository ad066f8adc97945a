#!/usr/bin/python3
"""MobileNetV2 (imagenet strides) in a pipeline of one, two and three processes on this machine, beside
the same training in PyTorch over HTTP on three processes. Samples per second in the steady state.

The contestants take turns, round by round; medians of the rounds, ratios within a round. A turn in
which other processes used more than 8% of a core is run again. A turn counts only if its loss is
finite and lower at the end than at the start."""
import argparse
import math
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(HERE)), "tests", "e2e"))
import common  # noqa: E402
from cluster import Cluster, free_ports  # noqa: E402

MICRO_BATCH = 128
MICRO_BATCHES = 4
WARM_STEPS = 2
PEER = os.path.join(os.path.dirname(HERE), "peers", "pytorch")
PEERS = {  # name: arguments
    "torch_default": ["--partition", "avg"],
    "torch_channels_last": ["--partition", "avg", "--cl"],
    "torch_channels_last_dyn": ["--partition", "dyn", "--cl"],
}
CHANNELS_LAST = ["torch_channels_last", "torch_channels_last_dyn"]


def page_of(cluster, node):
    with urllib.request.urlopen(f"http://127.0.0.1:{cluster.port + 2 + node}/metrics",
                                timeout=5) as answer:
        return answer.read().decode()


def value(page, family):
    found = re.search(rf"^{family}{{[^}}]*}} (\S+)$", page, re.MULTILINE)
    return float(found.group(1)) if found else 0.0


def counters(cluster, stages):
    """Per stage: seconds so far of compute, wait and poll."""
    kinds = ("compute", "wait", "poll")
    pages = [page_of(cluster, int(s["node"][1:]) - 1) for s in stages]
    return [{k: value(p, f"ftp_stage_{k}_seconds_total") for k in kinds} for p in pages]


def wait_for_step(cluster, follower, node, step, deadline):
    """The moment at which the node's step count was first seen at or above step, and that count."""
    while True:
        if follower.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"the run ended or hung before step {step}:\n{cluster.said()[-3000:]}")
        try:
            done = int(value(page_of(cluster, node), "ftp_steps_total"))
        except (OSError, urllib.error.URLError):
            done = 0
        if done >= step:
            return time.monotonic(), done
        time.sleep(0.03 if done else 0.2)


def run_ours(nodes, steps):
    """One run; the window is from the end of the warm-up's last step to the end of the last step but
    one, as the central node counts them."""
    sets = {"training.model": "mobilenetv2", "training.width": 1.0, "training.strides": "imagenet",
            "training.batch": MICRO_BATCH * MICRO_BATCHES, "training.micro_batches": MICRO_BATCHES,
            "training.steps": steps, "training.cuts": "equal"}
    with Cluster(nodes, sets) as c:
        deadline = time.monotonic() + 240
        follower = c.follow()
        first, first_step = wait_for_step(c, follower, 0, WARM_STEPS, deadline)
        stages = c.status()["stages"]
        window = common.Window(c.processes())
        before = counters(c, stages)
        last, last_step = wait_for_step(c, follower, 0, steps - 1, deadline)
        after = counters(c, stages)
        foreign = window.foreign()
        if follower.wait(timeout=120) != 0:
            raise SystemExit(c.said()[-3000:])
        check_loss([float(row.split(",")[1]) for row in c.loss().decode().splitlines()[1:]])
        return {"samples_per_second": (last_step - first_step) * MICRO_BATCH * MICRO_BATCHES /
                (last - first), "foreign": foreign, "stages": [
                    shares(s, b, a) for s, b, a in zip(stages, before, after)]}


def shares(stage, before, after):
    spent = {k: after[k] - before[k] for k in before}
    total = sum(spent.values()) or 1.0
    return {"stage": stage["stage"], "first_unit": stage["first_unit"],
            "end_unit": stage["end_unit"], **{f"{k}_share": v / total for k, v in spent.items()}}


def check_loss(trace):
    if not all(map(math.isfinite, trace)) or not trace[-1] < trace[0]:
        raise SystemExit(f"it does not learn: losses {trace}")


def run_peer(arguments, batches):
    """One run of the peer: two workers and the central node."""
    port = free_ports(3)
    log_dir = tempfile.mkdtemp(prefix="ftp-bench-")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
                   "PYTHONDONTWRITEBYTECODE": "1"}
    program = [common.PYTHON, os.path.join(PEER, "mini.py")]
    workers = []
    try:
        for i in (1, 2):
            with open(os.path.join(log_dir, f"worker-{i}"), "w", encoding="utf-8") as errors:
                workers.append(subprocess.Popen([*program, "worker", "--port", str(port + i)],
                                                env=environment, stderr=errors))
        done = subprocess.run(
            [*program, "central", "--port", str(port), "--workers", f"{port + 1},{port + 2}",
             "--batch", str(MICRO_BATCH), "--batches", str(batches), "--lr", "0.01", *arguments],
            env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300,
            check=False)
    finally:
        for w in workers:
            w.send_signal(signal.SIGTERM)
            w.wait(timeout=20)
        shutil.rmtree(log_dir)
    found = re.search(r"steady\(\d+\.\.\) samples/s=([\d.]+).*other-procs-cpu/wall=(-?[\d.]+) "
                      r"loss last10=([\d.]+)", done.stdout)
    if done.returncode or not found or not float(found.group(3)) < math.log(10):
        raise SystemExit(f"the peer failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return {"samples_per_second": float(found.group(1)), "foreign": max(0.0, float(found.group(2))),
            "points": re.search(r"points=(\[.*?\])", done.stdout).group(1)}


def play(contestants, rounds, tries):
    results = {name: [] for name in contestants}
    for i in range(rounds):
        for name, run in contestants.items():
            results[name].append(common.quietest(run, tries))
            common.log(f"round {i + 1} of {rounds}: {name} "
                       f"{results[name][-1]['samples_per_second']:.1f} samples/s")
    return results


def summarize(results):
    rate = {n: [r["samples_per_second"] for r in rs] for n, rs in results.items()}
    figures = {"micro_batch": MICRO_BATCH, "micro_batches": MICRO_BATCHES,
               "samples_per_second": {n: statistics.median(v) for n, v in rate.items()},
               "stages": {n: rs[-1]["stages"] for n, rs in results.items() if "stages" in rs[-1]},
               "rounds": rate,
               "foreign_cpu": {n: [r["foreign"] for r in rs] for n, rs in results.items()}}
    if "local-3" in rate and "local-1" in rate:
        figures["three_over_one"] = common.median_ratio(rate["local-3"], rate["local-1"])
    best = [max(v) for v in zip(*(rate[n] for n in CHANNELS_LAST if n in rate))]
    if best:
        figures["over_torch_peer"] = common.median_ratio(rate["local-3"], best)
    if "torch_default" in rate:
        figures["over_torch_default"] = common.median_ratio(rate["local-3"], rate["torch_default"])
    figures["noisy"] = max(map(max, figures["foreign_cpu"].values())) > common.FOREIGN_LIMIT
    return figures


def print_table(doc):
    print(f"mobilenetv2, imagenet strides, micro-batches of {MICRO_BATCH}; commit {doc['commit']} on "
          f"{doc['machine']['cpu']}, {doc['machine']['cores']} cores{'; NOISY' if doc['noisy'] else ''}")
    for name, rate in doc["samples_per_second"].items():
        print(f"{name:<26} {rate:8.1f} samples/s")
        for s in doc["stages"].get(name, []):
            print(f"  stage {s['stage']}: units {s['first_unit']}-{s['end_unit'] - 1:<3} compute "
                  f"{100 * s['compute_share']:5.1f}%  wait {100 * s['wait_share']:5.1f}%  poll "
                  f"{100 * s['poll_share']:5.1f}%")
    for key in ("three_over_one", "over_torch_peer", "over_torch_default"):
        if key in doc:
            print(f"{key} {doc[key]:.2f}")


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--json", action="store_true", help="one JSON document on stdout")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--steps", type=int, default=14, help="of our runs")
    p.add_argument("--batches", type=int, default=50, help="of the peer's runs")
    p.add_argument("--quick", action="store_true", help="one round, however noisy")
    p.add_argument("--no-peer", action="store_true", help="only our own")
    a = p.parse_args()
    contestants = {f"local-{n}": (lambda n=n: run_ours(n, a.steps)) for n in (1, 2, 3)}
    peer_missing = subprocess.run([common.PYTHON, "-c", "import torch, flask, requests"],
                                  stderr=subprocess.DEVNULL, check=False).returncode
    if peer_missing:
        common.log("the peer is skipped: it needs python3-torch, python3-flask, python3-requests")
    if not peer_missing and not a.no_peer:
        contestants.update({name: (lambda x=arguments: run_peer(x, a.batches))
                            for name, arguments in PEERS.items()})
    results = play(contestants, *((1, 1) if a.quick else (a.rounds, 3)))
    doc = common.document("pipeline", **summarize(results))
    if a.json:
        common.print_json(doc)
    else:
        print_table(doc)
    return 0


if __name__ == "__main__":
    sys.exit(main())
