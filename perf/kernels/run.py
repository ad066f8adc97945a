#!/usr/bin/python3
"""A training step of our stage beside PyTorch's, one thread each: mobilenetv2 (cifar strides, width 1.0) and lenet5, batch 64.

All contestants are up at once and take turns on the same core, round by round; medians of the rounds. A round in
which other processes used more than 8% of a core is run again, as often as there are rounds. Where that does not
give enough quiet rounds, times are the processes' own CPU seconds instead of the clock's (one thread each, so in
quiet they are the same), and the result says so. Before that each must have learnt: the loss of a fixed batch is
finite and falls, and the nets have equally many parameters."""
import argparse
import glob
import json
import math
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import common  # noqa: E402

JEMALLOC = next(iter(glob.glob("/usr/lib/*/libjemalloc.so.2")), None)
NETS = {  # arguments, steps per turn
    "mobilenetv2": (["mobilenetv2", "1.0", "cifar", "64"], 2),
    "lenet5": (["lenet5", "1.0", "cifar", "64"], 100),
}
TORCH = {  # layout, environment
    "torch_default": ("nchw", {}),
    "torch_channels_last": ("channels_last", {}),
    "torch_channels_last_jemalloc": ("channels_last", {
        "LD_PRELOAD": JEMALLOC or "", "MALLOC_CONF": "dirty_decay_ms:-1,muzzy_decay_ms:-1"}),
}


class Contestant:
    def __init__(self, command, cpu, env):
        clean = {k: v for k, v in os.environ.items() if not k.startswith("OMP_")}
        clean.update({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}, **env)
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=clean,
            preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))
        self.about = self.read()
        self.losses = []

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("%s ended early" % " ".join(self.process.args))
        return json.loads(line)

    def ask(self, line):
        self.process.stdin.write("%s\n" % line)
        self.process.stdin.flush()
        return self.read()

    def steps(self, n):
        answer = self.ask(n)
        self.losses.append(answer["loss"])
        return answer["ms"]

    def cpu_seconds(self):
        return common.process_seconds([self.process.pid])

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=60)


def play_round(contestants, n_steps):
    """One turn each: {name: ms a step} by the clock and by CPU time, and the share of a core that others used."""
    window = common.Window(c.process.pid for c in contestants.values())
    wall, cpu = {}, {}
    for name, c in contestants.items():
        c.steps(1)  # fills the caches that the one before has emptied
        cpu[name] = c.cpu_seconds()
        wall[name] = statistics.median(c.steps(n_steps))
        cpu[name] = (c.cpu_seconds() - cpu[name]) / n_steps * 1e3
    return {"wall": wall, "cpu": cpu, "foreign": window.foreign()}


def play(net, contestants, n_steps, rounds, peak):
    """The rounds that count, and the clock that they count by."""
    played = []
    for i in range(2 * rounds):
        peak.append(contestants["ftpipe"].ask("peak")["fma_peak_gflops"])
        r = play_round(contestants, n_steps)
        common.log("%s round %d: %s%s" % (net, i + 1, ", ".join("%s %.2f" % x for x in r["wall"].items()),
                                   "" if r["foreign"] <= common.FOREIGN_LIMIT else
                                   "; others used %.0f%% of a core" % (100 * r["foreign"])))
        played.append(r)
        quiet = [r for r in played if r["foreign"] <= common.FOREIGN_LIMIT]
        if len(quiet) == rounds:
            return quiet, "wall"
    return played, "cpu"


def check(contestants):
    params = {c.about["parameters"] for c in contestants.values()}
    if len(params) != 1:
        raise SystemExit("nets differ in parameters: %s" % params)
    for name, c in contestants.items():
        if not all(map(math.isfinite, c.losses)) or not c.losses[-1] < c.losses[0]:
            raise SystemExit("%s does not learn: losses %s" % (name, c.losses))


def bench_net(net, binary, rounds, cpu, peak):
    arguments, n_steps = NETS[net]
    contestants = {"ftpipe": Contestant([binary] + arguments, cpu, {})}
    for name, (layout, env) in TORCH.items():
        command = [common.PYTHON, "-B", os.path.join(HERE, "torch_step.py")] + arguments + [layout]
        contestants[name] = Contestant(command, cpu, env)
    try:
        for c in contestants.values():
            c.steps(1)
            c.steps(3)
        check(contestants)
        played, clock = play(net, contestants, n_steps, rounds, peak)
        check(contestants)
        about = contestants["ftpipe"].about
        torch = contestants["torch_default"].about["torch"]
    finally:
        for c in contestants.values():
            c.close()
    times = [r[clock] for r in played]
    ms = {n: statistics.median(t[n] for t in times) for n in contestants}
    gflops = {n: about["gflop_per_step"] / t * 1e3 for n, t in ms.items()}
    limit = max(peak)
    return {"batch": about["batch"], "parameters": about["parameters"], "isa": about["isa"],
            "torch": torch, "gflop_per_step": about["gflop_per_step"], "clock": clock,
            "step_ms": ms, "gflops": gflops,
            "share_of_fma_peak": {n: g / limit for n, g in gflops.items()},
            "memory_mb": about["memory_mb"], "rounds": times,
            "foreign_cpu": [r["foreign"] for r in played]}


def ratios(net, result):
    """Of each round first, so that a drift of the machine falls out; then the median."""
    over = {n: statistics.median(r[n] / r["ftpipe"] for r in result["rounds"]) for n in TORCH}
    return {net + "_f32_over_torch_best": min(over.values()),
            net + "_f32_over_torch_default": over["torch_default"]}


def table(net, d):
    print("\n%s, batch %d, f32, 1 thread, %.1f GFLOP a step, %d parameters, torch %s" % (
        net, d["batch"], d["gflop_per_step"], d["parameters"], d["torch"]))
    print("%-30s %10s %10s %12s %8s" % ("", "ms/step", "GFLOP/s", "of FMA peak", "/ftpipe"))
    for n, t in d["step_ms"].items():
        print("%-30s %10.2f %10.1f %11.1f%% %8.2f" % (
            n, t, d["gflops"][n], 100 * d["share_of_fma_peak"][n], t / d["step_ms"]["ftpipe"]))


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--json", action="store_true", help="one JSON document on stdout")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--quick", action="store_true", help="two rounds")
    p.add_argument("--net", choices=list(NETS), action="append", help="only this net")
    p.add_argument("--build", default=common.BUILD, help="build directory")
    a = p.parse_args()
    binary = os.path.join(a.build, "perf", "kernels", "bench_kernels")
    if not os.path.exists(binary):
        raise SystemExit("%s is missing: build first" % binary)
    if subprocess.run([common.PYTHON, "-c", "import torch"], capture_output=True).returncode:
        common.log("skipped: python3-torch is not installed")
        return 77
    if not JEMALLOC:
        common.log("skipped: libjemalloc2 is not installed; PyTorch's best would not be its best")
        return 77
    rounds = 2 if a.quick else a.rounds
    cpu = max(os.sched_getaffinity(0))
    peak = []
    nets = {n: bench_net(n, binary, rounds, cpu, peak) for n in a.net or NETS}
    foreign = max(f for d in nets.values() for f in d["foreign_cpu"])
    doc = common.document("kernels", threads=1, fma_peak_gflops=max(peak), nets=nets,
                          noisy=any(d["clock"] == "cpu" for d in nets.values()))
    for n, d in nets.items():
        doc.update(ratios(n, d))
    if a.json:
        common.print_json(doc)
        return 0
    print("commit %s on %s; FMA peak of one thread %.1f GFLOP/s%s" % (
        doc["commit"], doc["machine"]["cpu"], doc["fma_peak_gflops"],
        "; NOISY: CPU times, others used up to %.0f%% of a core" % (100 * foreign)
        if doc["noisy"] else ""))
    for n, d in nets.items():
        table(n, d)
    for key in sorted(k for k in doc if "_over_" in k):
        print("%s %.2f" % (key, doc[key]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
