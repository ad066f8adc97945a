#!/usr/bin/python3
"""Our links over memif and over kernel UDP beside kernel TCP over loopback and memcpy: goodput, latency, CPU, copies.

Two processes, one sends and one receives, each pinned to a core of its own; every contestant takes its turn in every
round. Each checks the bytes before it measures and after each measurement, or the run fails. Ratios are taken
within a round, then the median. A round in which other processes used more than 8% of a core is run again."""
import argparse
import json
import os
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import common  # noqa: E402

CONTESTANTS = ["memcpy", "tcp", "memif", "udp", "memif_raw"]
SIZES = ["64KB", "1MB", "16MB"]
TIMEOUT = 120  # seconds for one contestant


def play_round(binary):
    """One turn each: what each contestant measured, and the share of a core that others used meanwhile."""
    window = common.Window([os.getpid()])
    result = {}
    for name in CONTESTANTS:
        r = subprocess.run([binary, name], capture_output=True, text=True, timeout=TIMEOUT, check=False)
        if r.returncode:
            raise SystemExit(f"{name} failed: {r.stderr.strip() or r.returncode}")
        result[name] = json.loads(r.stdout)
    return {"contestants": result, "foreign": window.foreign()}


def median(values):
    """Of numbers, or of dicts of them, key by key."""
    if isinstance(values[0], dict):
        return {k: median([v[k] for v in values]) for k in values[0]}
    if isinstance(values[0], str):
        return values[0]
    return statistics.median(values)


def over(rounds, a, b):
    """Goodput of 1 MB messages."""
    return common.median_ratio(*([r[n]["goodput_gb_s"]["1MB"] for r in rounds] for n in (a, b)))


def table(doc):
    print("commit %s on %s, %d rounds%s" % (
        doc["commit"], doc["machine"]["cpu"], doc["rounds"],
        "; NOISY: others used up to %.0f%% of a core" % (100 * doc["foreign_cpu"]) if doc["noisy"] else ""))
    print("%-10s %8s %8s %8s %9s %9s %9s %9s %8s %7s %7s" % (
        "", "64 KB", "1 MB", "16 MB", "64 B p50", "p99", "256K p50", "p99", "core s/", "wake", "idle"))
    print("%-10s %26s %39s %8s %7s %7s" % ("", "GB/s", "us one way", "GB", "us", "% core"))
    for name in CONTESTANTS:
        d = doc["contestants"][name]
        latency = [d["latency_us"][s][q] for s in ("64B", "256KB") for q in ("p50", "p99")]
        cells = ["%8.2f" % d["goodput_gb_s"][s] for s in SIZES] + ["%9.2f" % x for x in latency] + [
            "%8.3f" % d["core_seconds_per_gb"], "%7.1f" % d["wake_us"], "%7.2f" % (100 * d["idle_cpu"])]
        print("%-10s %s" % (name, " ".join(c if float(c) > 0 else "-".rjust(len(c)) for c in cells)))
    for key in ("memif_over_tcp", "udp_over_tcp", "memif_over_memcpy", "memif_over_raw", "copies_tx", "copies_rx"):
        print("%s %.2f" % (key, doc[key]))


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--json", action="store_true", help="one JSON document on stdout")
    p.add_argument("--rounds", type=int, default=7)
    p.add_argument("--quick", action="store_true", help="two rounds")
    p.add_argument("--realtime", action="store_true",
                   help="measure under SCHED_FIFO: for a machine with other work; needs root")
    p.add_argument("--build", default=common.BUILD, help="build directory")
    a = p.parse_args()
    binary = os.path.join(a.build, "perf", "net", "bench_net")
    if not os.path.exists(binary):
        raise SystemExit(f"{binary} is missing: build first")
    if a.realtime:
        os.environ["FTP_BENCH_REALTIME"] = "1"
    played = []
    for i in range(2 if a.quick else a.rounds):
        played.append(common.quietest(lambda: play_round(binary), 1 if a.realtime else 4))
        common.log(f"round {i + 1}: " + ", ".join(
            f"{n} {played[-1]['contestants'][n]['goodput_gb_s']['1MB']:.2f}" for n in CONTESTANTS))
    rounds = [r["contestants"] for r in played]
    foreign = max(r["foreign"] for r in played)
    contestants = {n: median([r[n] for r in rounds]) for n in CONTESTANTS}
    doc = common.document(
        "net", rounds=len(rounds), realtime=a.realtime, foreign_cpu=foreign,
        noisy=foreign > common.FOREIGN_LIMIT, memif_over_tcp=over(rounds, "memif", "tcp"),
        udp_over_tcp=over(rounds, "udp", "tcp"), memif_over_memcpy=over(rounds, "memif", "memcpy"),
        memif_over_raw=over(rounds, "memif", "memif_raw"), copies_tx=contestants["memif"]["copies_tx"],
        copies_rx=contestants["memif"]["copies_rx"], contestants=contestants)
    if a.json:
        common.print_json(doc)
    else:
        table(doc)
    return 0


if __name__ == "__main__":
    sys.exit(main())
