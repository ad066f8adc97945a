"""What the benchmarks share: a quiet machine, medians of interleaved rounds, a document of one form."""
import datetime
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get("FTP_BUILD", os.path.join(ROOT, "build"))
PYTHON = "/usr/bin/python3"  # Debian's, which has python3-torch
FOREIGN_LIMIT = 0.08  # of one core, used by processes that are not ours
TICK = os.sysconf("SC_CLK_TCK")


def log(*words):
    print(*words, file=sys.stderr, flush=True)


def machine_seconds(columns):
    """CPU time of the whole machine by columns of /proc/stat's first line, its name being 0."""
    with open("/proc/stat", encoding="utf-8") as f:
        field = f.readline().split()
    return sum(int(field[i]) for i in columns) / TICK


def busy_seconds():
    """Without idle and waiting for disks."""
    return machine_seconds((1, 2, 3, 6, 7, 8))


def interrupt_seconds():
    """Hard and soft ones: no process's, whoever causes them."""
    return machine_seconds((6, 7))


def process_seconds(pids):
    """CPU time of processes that live, their ended children included."""
    total = 0.0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
                field = f.read().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(int(field[i]) for i in (11, 12, 13, 14)) / TICK
    return total


class Window:
    """A stretch of time, and the share of a core that strangers used in it. own: our processes, or what
    tells the CPU time of all of them, those that have ended included."""

    def __init__(self, own):
        pids = [] if callable(own) else list(own)
        self.own = own if callable(own) else lambda: process_seconds(pids) + time.process_time()
        self.begin = time.monotonic()
        self.before = busy_seconds() - self.own()

    def foreign(self):
        wall = max(time.monotonic() - self.begin, 1e-9)
        return max(0.0, (busy_seconds() - self.own() - self.before) / wall)


def quietest(run, tries=3):
    """run() -> result with a "foreign" share: the first that is quiet enough, else the quietest."""
    best = None
    for _ in range(tries):
        result = run()
        if best is None or result["foreign"] < best["foreign"]:
            best = result
        if best["foreign"] <= FOREIGN_LIMIT:
            break
        log(f"  others used {100 * result['foreign']:.0f}% of a core: again")
    return best


def median_ratio(above, below):
    """Of each round first, so that a drift of the machine falls out."""
    return statistics.median(a / b for a, b in zip(above, below))


def cpu_name():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        found = re.search(r"^model name\s*: (.*)$", f.read(), re.MULTILINE)
    return found.group(1) if found else platform.machine()


def commit():
    done = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty", "--abbrev=12"],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    return done.stdout.strip() or "unknown"


def document(bench, **figures):
    """The form of every benchmark's result; version 1."""
    return {"version": 1, "bench": bench, "commit": commit(),
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "machine": {"cpu": cpu_name(), "cores": len(os.sched_getaffinity(0)),
                        "kernel": platform.release()},
            "command": " ".join(sys.argv), **figures}


def merged(names, key, *same):
    """What documents have under the key, lists, together; {} of the keys that must be the same in all."""
    documents = []
    for name in names:
        with open(name, encoding="utf-8") as f:
            documents.append(json.load(f))
    shared = {k: documents[0][k] for k in same}
    for name, d in zip(names, documents):
        if any(d[k] != shared[k] for k in same):
            raise SystemExit(f"{name}: not under {shared}")
    return [item for d in documents for item in d[key]], shared


def print_json(value):
    json.dump(value, sys.stdout, indent=1)
    print()
