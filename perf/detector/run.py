#!/usr/bin/python3
"""How often the failure detector is wrong, and what that costs: nobody dies, and the machine is overloaded.

Three nodes train with snapshots while --busy processes of normal priority compute on the same cores and --writers write
and sync files on the same disk. Every failure that the coordinator sees is a false one; it costs a
recovery, and another change of the plan once the node that was given up has been started anew. Beside it: how near
to that others came, the longest silence over what was allowed then, of nodes and, with --port udp, of links."""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time

PERF = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, PERF)
import common  # noqa: E402
from live import Live  # noqa: E402

NODES = ["n1", "n2", "n3"]
BUSY = "while True: pass"
WRITE = """
import os, sys
block = os.urandom(1 << 20)
while True:
    with open(sys.argv[1], "wb") as f:
        for _ in range(256):
            f.write(block)
        os.fsync(f.fileno())
"""
PARTS = ["unheard_s", "halt_s", "prepare_s", "transfer_s", "commit_s", "first_step_s", "total_s"]


def settings(schedule, port):
    asynchronous = {"training.schedule": "1f1b", "training.micro_batches": 1}
    return {"training.model": "mobilenetv2", "training.width": 1.0, "training.strides": "imagenet",
            "training.batch": 128, "training.lr": "{kind: constant, base: 0.01}", "net.port": port,
            **{f"nodes.{n}.restart": "on-failure" for n in NODES},
            **(asynchronous if schedule == "1f1b" else {})}


class Load:
    """Processes that want the cores and the disk; gone at the end."""

    def __init__(self, busy, writers, directory):
        files = [os.path.join(directory, f"load-{i}") for i in range(writers)]
        self.processes = [subprocess.Popen([common.PYTHON, "-c", text, *arguments])
                          for text, arguments in [(BUSY, [])] * busy + [(WRITE, [f]) for f in files]]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for p in self.processes:
            p.kill()
            p.wait()


def narrowest(pages, series):
    return max((float(x) for page in pages for x in re.findall(rf"^{series}{{.*}} (\S+)$", page, re.M)), default=0)


def measure(schedule, port, busy, writers, seconds):
    with Live(len(NODES), settings(schedule, port)) as run:
        run.wait_steps(20)
        failures, recoveries = len(run.events("failure")), len(run.events("recovery"))
        begin, step = time.monotonic(), run.steps()
        with Load(busy, writers, run.cluster.dir):
            while time.monotonic() - begin < seconds:
                run.check_alive()
                time.sleep(0.5)
            steps = run.steps() - step
            pages = [run.cluster.scrape(run.cluster.port + 1 + i) for i in range(len(NODES) + 1)]
        false = run.events("failure")[failures:]
        paid = run.events("recovery")[recoveries:]
        return {"seconds": time.monotonic() - begin, "steps": steps,
                "silence_ratio": narrowest(pages, "ftp_node_silence_ratio"),
                "link_silence_ratio": narrowest(pages, "ftp_link_silence_ratio"),
                "failures": [{k: e.get(k) for k in ("t", "node", "why", "unheard_s")} for e in false],
                "recoveries": [{k: e[k] for k in [*PARTS, "lost_steps", "lost", "why"]} for e in paid]}


def summarize(played):
    seconds = sum(s["seconds"] for s in played["slices"])
    recoveries = [r for s in played["slices"] for r in s["recoveries"]]
    return {**played, "seconds": seconds, "false_alarms": len(recoveries),
            "false_alarms_per_hour": 3600 * len(recoveries) / seconds,
            **{k: max(s[k] for s in played["slices"]) for k in ("silence_ratio", "link_silence_ratio")},
            "lost_steps": sum(r["lost_steps"] for r in recoveries),
            "total_s": {"median": statistics.median(r["total_s"] for r in recoveries),
                        "worst": max(r["total_s"] for r in recoveries)} if recoveries else None}


def merge(names):
    slices, same = common.merged(names, "slices", "schedule", "port", "busy", "writers")
    return {**same, "slices": slices}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--json", action="store_true", help="one JSON document on stdout")
    p.add_argument("--seconds", type=float, default=600)
    p.add_argument("--busy", type=int, default=4, help="processes that compute")
    p.add_argument("--writers", type=int, default=1, help="processes that write and sync files")
    p.add_argument("--schedule", choices=["flush", "1f1b"], default="flush")
    p.add_argument("--port", choices=["memif", "udp"], default="memif")
    p.add_argument("--merge", nargs="+", metavar="FILE", help="only put documents together")
    o = p.parse_args()
    result = summarize(merge(o.merge) if o.merge else {
        "schedule": o.schedule, "port": o.port, "busy": o.busy, "writers": o.writers,
        "slices": [measure(o.schedule, o.port, o.busy, o.writers, o.seconds)]})
    if o.json:
        common.print_json(common.document("detector", **result))
        return
    print(f"{result['schedule']}, {result['port']}, {result['busy']} busy processes, {result['writers']} writers, "
          f"{result['seconds']:.0f} s: {result['false_alarms']} false alarms, "
          f"{result['false_alarms_per_hour']:.1f} an hour, {result['lost_steps']} steps done again; the longest silence was "
          f"{result['silence_ratio']:.2f} of what is allowed, of a link {result['link_silence_ratio']:.2f}")
    if result["total_s"]:
        print(f"each cost {1e3 * result['total_s']['median']:.0f} ms (worst {1e3 * result['total_s']['worst']:.0f})")


if __name__ == "__main__":
    sys.exit(main())
