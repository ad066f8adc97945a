"""A run that is struck again and again: kill -9, SIGSTOP or a cut cable; and what it tells of that, by the wall
clock."""
import datetime
import json
import os
import re
import signal
import statistics
import time

import common
import live

import servers
from cluster import Cluster, wait_for

PERIOD = 10  # steps between snapshots
SECONDS = 30  # for any wait
ANOTHER_S = 0.1  # between offsets of two coordinators' clocks
STEP = re.compile(r" s +worker +step done,")


def wall_time(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class Events:
    """events.jsonl as it grows; when each happened by the wall clock."""

    def __init__(self, cluster):
        self.path, self.at = cluster.latest("events.jsonl"), 0
        self.all, self.lives, self.offsets = [], [], []

    def read(self):
        try:
            with open(self.path, "rb") as f:
                f.seek(self.at)
                whole = f.read().rpartition(b"\n")[0]
        except FileNotFoundError:
            return self.all
        self.at += len(whole) + 1 if whole else 0
        for event in map(json.loads, whole.splitlines()):
            offset = wall_time(event["time"]) + 0.0005 - event["t"]  # it is cut to milliseconds
            if not self.lives or abs(offset - self.lives[-1][0]) > ANOTHER_S:
                self.lives.append([])
            self.lives[-1].append(offset)
            self.all.append({**event, "life": len(self.lives) - 1})
        if whole:
            self.offsets = [statistics.median(life) for life in self.lives]
        return self.all

    def last(self, kind):
        return next((e for e in reversed(self.read()) if e["kind"] == kind), None)

    def all_since(self, when, kind):
        return [e for e in self.read() if e["kind"] == kind and self.when(e) >= when]

    def since(self, when, kind):
        """The first since then."""
        return next(iter(self.all_since(when, kind)), None)

    def when(self, event):
        return event["t"] + self.offsets[event["life"]]


class Run:
    """A run that is struck again and again."""

    def __init__(self, nodes, schedule, port, sets=None):
        self.names = [f"n{i + 1}" for i in range(nodes)]
        micro_batches = 1 if schedule == "1f1b" else 4
        self.cluster = self.make(str(nodes), {
            "training.model": "mobilenetv2", "training.width": 1.0, "training.strides": "imagenet",
            "training.batch": 128, "training.micro_batches": micro_batches, "training.schedule": schedule,
            "training.lr": "{kind: constant, base: 0.01}", "training.steps": live.NEVER,
            "snapshot.every": PERIOD, "net.port": port,
            **{f"nodes.{n}.restart": "never" for n in self.names}, **(sets or {})})
        self.follower = self.cluster.follow()
        wait_for("the run's directory", lambda: os.path.isdir(self.cluster.latest("")), SECONDS)
        self.events = Events(self.cluster)

    def make(self, nodes, sets):
        return Cluster(nodes, sets)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.cluster.close()

    def wait(self, what, condition, pause=0.02, seconds=SECONDS):
        deadline = time.monotonic() + seconds
        while True:
            found = condition()
            if found:
                return found
            if self.follower.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{what}: not within {seconds} s:\n{self.cluster.said()[-3000:]}")
            time.sleep(pause)

    def stages(self):
        """Names of the nodes of the plan in force, in its order."""
        plan = self.events.last("plan")
        return [s["node"] for s in plan["stages"]] if plan else []

    def is_whole(self):
        return len(self.stages()) == len(self.names)

    def is_stable(self):
        """A snapshot of this plan."""
        status = self.cluster.status()
        return (status and not status["change"] and
                status["snapshot"]["stable_step"] > self.events.last("plan")["step"])

    def edge(self):
        """(when, step) of a step's end."""
        begin = self.cluster.loss().count(b"\n")
        return self.wait("a step", lambda: (n := self.cluster.loss().count(b"\n")) > begin and
                         (time.monotonic(), n), 0.005)

    def settle(self, draw):
        """Waits for all nodes, a snapshot, and a random moment before the next one; a step's time meanwhile."""
        self.wait("all nodes in the plan", self.is_whole, 0.1)
        begin = self.edge()
        self.wait("a snapshot", self.is_stable, 0.1)
        end = self.edge()
        step_s = (end[0] - begin[0]) / (end[1] - begin[1])
        time.sleep(draw.random() * PERIOD * step_s)
        return step_s

    def recoveries(self, struck, names):
        """As soon as they have begun without all of the names: it may take several."""
        def found():
            some = self.events.all_since(struck, "recovery")
            return some if {n for e in some for n in e["lost"]} >= set(names) else None
        return self.wait("the recovery", found)

    def steps_done(self, name):
        """By a node that lives, as its flight recorder has them, oldest first: [when]."""
        done = self.cluster.run("why", "--flight", name, "--json")
        if done.returncode:
            raise SystemExit(f"no flight recorder of {name}: {done.stderr}")
        flight = json.loads(done.stdout)
        begin = wall_time(flight["started"])
        return [begin + float(line.split()[0]) for line in flight["records"] if STEP.search(line)]

    def stood_still(self, name, begin, end):
        """The longest time between two steps of a node, a part of which is in that stretch."""
        times = self.steps_done(name)
        if not times or times[0] > begin:
            raise SystemExit(f"the flight recorder of {name} does not reach back that far")
        first = max(i for i, t in enumerate(times) if t <= begin)
        times = [t for t in times[first:] if t < end] + [end]
        return max(b - a for a, b in zip(times, times[1:]))

    def cpu_seconds(self):
        """Of all that is ours; nodes that ended are their supervisor's children."""
        return common.process_seconds([os.getpid(), *self.cluster.processes()])

    def victims(self):
        return self.names

    def pid_of(self, name):
        (pid,) = self.cluster.pids_of(name)
        return pid

    def strike(self, *names):
        """When it was done."""
        pids = [self.pid_of(name) for name in names]
        now = time.time()
        for pid in pids:
            os.kill(pid, self.signal)
        return now

    def revive(self, name):
        self.join(name)

    def join(self, name):
        done = self.cluster.run("join", name)
        if done.returncode:
            raise SystemExit(f"{name} could not join: {done.stderr}")


class Killed(Run):
    signal = signal.SIGKILL


class Stopped(Run):
    signal = signal.SIGSTOP

    def revive(self, name):
        os.kill(self.pid_of(name), signal.SIGKILL)
        self.join(name)


class Silent(Run):
    ended_s = 0.0  # CPU time of supervisors that were killed, their nodes included

    def make(self, nodes, sets):
        return servers.Servers(nodes, sets)

    def cpu_seconds(self):
        """The cables' packets are moved in interrupts."""
        return super().cpu_seconds() + self.ended_s + common.interrupt_seconds()

    def victims(self):
        return self.names[1:]

    def strike(self, *names):
        now = time.time()
        for name in names:
            self.cluster.cut(name)
        return now

    def revive(self, name):
        """It has waited for the coordinator meanwhile, and would be refused."""
        self.ended_s += common.process_seconds(self.cluster.everything_of(name))
        self.cluster.end(name)
        self.cluster.mend(name)
        self.cluster.start(name)


def victims(names, n, draw):
    """Every one as often, in an order that is drawn."""
    drawn = [names[i % len(names)] for i in range(n)]
    draw.shuffle(drawn)
    return drawn
