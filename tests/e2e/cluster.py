"""One cluster of real processes on this machine: its command line, its files, what it leaves behind."""
import contextlib
import glob
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("FTP_BUILD", os.path.join(ROOT, "build"))
FTPCTL = os.path.join(BUILD, "ftpctl")
FASHION_MNIST = "/usr/share/datasets/fashion-mnist"

SILENCE_SECONDS = 2  # of a node until it is lost, on a machine whose two cores do other work too: 0.6 by itself
MARK = "FTP_E2E"  # in the environment of every process of a cluster

LENET5 = {"training.model": "lenet5", "training.batch": 64, "training.micro_batches": 4,
          "training.steps": 12}


# What three nodes go on with whoever of them is lost: snapshots, and what is on disks.
DURABLE = {"training.model": "mobilenetv2", "training.width": 0.25, "training.batch": 32,
           "training.micro_batches": 4, "training.cuts": "6,13", "training.steps": 300,
           "snapshot.every": 10, "snapshot.global_every": 30, "checkpoint.every": 20}


def never(*names):
    """Settings: who dies stays dead."""
    return {f"nodes.{name}.restart": "never" for name in names}


def free_ports(n):
    """The first of n consecutive TCP ports that are free now, below the kernel's ephemeral ones."""
    for _ in range(200):
        first = random.randrange(12000, 30000)
        with contextlib.ExitStack() as stack:
            try:
                for port in range(first, first + n):
                    s = stack.enter_context(socket.socket())
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    s.bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
    raise RuntimeError("no free ports")


def wait_for(what, condition, seconds, pause=0.05):
    """The condition's first true value; an AssertionError that names what did not happen."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(pause)


class Cluster:
    """A run of one of the examples, with ports and a data directory of its own. User: an ordinary
    user's name, when not the caller's."""

    def __init__(self, example, sets=None, user=None):
        self.dir = tempfile.mkdtemp(prefix="ftp-e2e-", dir="/tmp")
        os.chmod(self.dir, 0o777)
        self.data_dir = os.path.join(self.dir, "data")
        self.config = os.path.join(ROOT, "examples", f"local-{example}.yaml")
        self.n_nodes = int(example)
        self.port = free_ports(self.n_nodes + 2)
        self.user = user
        self.sets = {"cluster.data_dir": self.data_dir,
                     "cluster.coordinator.listen": f"127.0.0.1:{self.port}",
                     "metrics.listen": f"127.0.0.1:{self.port + 1}", **(sets or {})}
        self.followers = []
        self.before = leftovers()

    def command(self, verb, *options, sets=None):
        pairs = {**self.sets, **(sets or {})}
        line = [FTPCTL, verb, "-c", self.config]
        for key, value in pairs.items():
            line += ["--set", f"{key}={value}"]
        if self.user:
            line = ["setpriv", "--reuid", self.user, "--regid", "nogroup", "--clear-groups", *line]
        return line + list(options)

    def environment(self):
        home = {"HOME": self.dir} if self.user else {}
        return {**os.environ, "NO_COLOR": "1", MARK: self.dir, **home}

    def run(self, verb, *options, sets=None, seconds=60):
        """Runs ftpctl to its end."""
        return subprocess.run(self.command(verb, *options, sets=sets), env=self.environment(),
                              cwd=self.dir, text=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=seconds,
                              check=False)

    def train(self, sets=None, seconds=240):
        """A whole run; its summary."""
        done = self.run("start", "--follow", sets=sets, seconds=seconds)
        assert done.returncode == 0, f"exit {done.returncode}:\n{done.stderr[-3000:]}"
        return self.summary()

    def follow(self, sets=None, *options):
        """Starts a run in the background."""
        out = open(os.path.join(self.dir, "follow.log"), "w+", encoding="utf-8")
        process = subprocess.Popen(self.command("start", "--follow", *options, sets=sets),
                                   cwd=self.dir, env=self.environment(), stdin=subprocess.DEVNULL, stdout=out,
                                   stderr=out, start_new_session=True)
        self.followers.append((process, out))
        return process

    def said(self):
        """What the last follower printed so far."""
        with open(os.path.join(self.dir, "follow.log"), encoding="utf-8") as f:
            return f.read()

    def latest(self, name):
        return os.path.join(self.data_dir, "runs", "latest", name)

    def summary(self):
        with open(self.latest("summary.json"), encoding="utf-8") as f:
            return json.load(f)

    def loss(self):
        with open(self.latest("loss.csv"), "rb") as f:
            return f.read()

    def events(self, *kinds):
        """Of these kinds or all, in order. A last line that is still being written is left out."""
        try:
            with open(self.latest("events.jsonl"), encoding="utf-8") as f:
                lines = f.read().split("\n")[:-1]
        except FileNotFoundError:
            return []
        return [e for e in map(json.loads, lines) if not kinds or e["kind"] in kinds]

    def status(self):
        """The status document, or None when nothing runs."""
        done = self.run("status", "--json")
        return json.loads(done.stdout) if done.returncode in (0, 4) and done.stdout else None

    def wait_for_steps(self, n, seconds=60):
        """Until step n of the training is done."""
        def trained():
            follower = self.followers[-1][0] if self.followers else None
            assert not follower or follower.poll() is None, f"ended early:\n{self.said()[-3000:]}"
            status = self.status()
            return status if status and status.get("step", 0) >= n else None
        return wait_for(f"step {n}", trained, seconds)

    def wait_for_state(self, *states, seconds=20):
        """The first of these that the run is in."""
        return wait_for(f"the state {' or '.join(states)}",
                        lambda: (s := self.status()) and s["state"] in states and s["state"], seconds, 0.001)

    def processes(self):
        """{pid: arguments} of all processes that descend from this cluster's commands."""
        found = {}
        for path in glob.glob("/proc/[0-9]*"):
            try:
                with open(f"{path}/environ", "rb") as f:
                    mine = f"{MARK}={self.dir}\0".encode() in f.read()
                if not mine:
                    continue
                with open(f"{path}/cmdline", "rb") as f:
                    arguments = f.read().decode(errors="replace").split("\0")
                with open(f"{path}/stat", encoding="utf-8") as f:
                    state = f.read().rsplit(")", 1)[1].split()[0]
            except OSError:
                continue
            if state != "Z":
                found[int(path.split("/")[2])] = arguments
        return found

    def pids_of(self, kind):
        """kind: "n1", ..., "coordinator", "supervisor", "everything"."""
        own = self.processes()
        followers = {p.pid for p, _ in self.followers}

        def matches(pid, arguments):
            program = os.path.basename(arguments[0] or "")
            if kind == "everything":
                return True
            if kind == "coordinator":
                return program == "ftpipe-coordinator"
            if kind == "supervisor":
                return program == "ftpctl" and pid not in followers
            return program == "ftpipe-node" and kind in arguments
        return [pid for pid, arguments in own.items() if matches(pid, arguments)]

    def wait_until_gone(self, seconds=10):
        wait_for(f"the end of all processes {self.processes()}", lambda: not self.processes(),
                 seconds)

    def recorders(self):
        """Files in memory that flight recorders of the run directories are links to."""
        return {os.readlink(path) for path in glob.glob(os.path.join(self.dir, "**", "flight-*"), recursive=True)
                if os.path.islink(path)}

    def assert_nothing_left(self, supervisor_killed=False):
        """No process, socket, shared memory or file but the run directories and the lock; and, if nobody
        was left to take it away, what the next start does."""
        self.wait_until_gone()
        new = still_there(self.before)
        if supervisor_killed:
            new = {path for path in new if not path.startswith("/dev/shm/ftpipe-")}
        assert not new, f"left behind: {new}"
        if os.path.isdir(self.data_dir):
            names = set(os.listdir(self.data_dir)) - {"runs", "supervisor.lock"}
            assert not names, f"left in data_dir: {names}"

    def close(self):
        for pid in self.pids_of("everything"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process, out in self.followers:
            process.wait(timeout=10)
            out.close()
        for path in self.recorders():  # there is no next start
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def scrape(self, port):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            return answer.read().decode()


class Undisturbed(unittest.TestCase):
    """Runs that must end as one does that nothing happened to."""
    maxDiff = None
    SETS = DURABLE

    @classmethod
    def setUpClass(cls):
        seed = int(os.environ.get("FTP_SEED", "0")) or random.randrange(1 << 30)
        print(f"FTP_SEED={seed}")
        cls.random = random.Random(seed)
        with Cluster(3, {**cls.SETS, "snapshot.every": 0, "checkpoint.every": 0}) as c:
            cls.expected = (c.train()["params_digest"], c.loss().decode())

    def check_end(self, c, **left):
        c.followers[-1][0].wait(timeout=120)
        self.assertEqual(c.followers[-1][0].returncode, 0, c.said()[-3000:])
        self.assertEqual((c.summary()["params_digest"], c.loss().decode()), self.expected)
        c.assert_nothing_left(**left)

    def kill(self, c, names):
        """At the same moment, which is returned."""
        pids = [pid for name in names for pid in c.pids_of(name)]
        self.assertEqual(len(pids), len(names), c.said()[-3000:])
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        return time.monotonic()

    def check_cost_of_one(self, event):
        """Of the loss of one node: back to the newest snapshot that was stable, at most a period before the
        one whose last replicas were still on their way, which may take another period beside other work."""
        self.assertLessEqual(event["lost_steps"], 2 * self.SETS["snapshot.every"], event)

    def check_silence(self, event):
        """It was noticed, long before any deadline of a connection or a call."""
        self.assertIn("silent", event["why"])
        self.assertGreater(event["unheard_s"], 0)
        self.assertLess(event["unheard_s"], SILENCE_SECONDS)

    def wait_until_it_waits(self, c):
        """The status of a run that waits."""
        return wait_for("the wait", lambda: (s := c.status()) and s["state"] == "waiting" and s, 10)


def kill_everything(cluster):
    """Whether nobody was left; what is forked between the look and the kill, the next look finds."""
    pids = cluster.pids_of("everything")
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return not pids


def holders():
    """{socket inode: pid} of the processes that we may look into."""
    found = {}
    for path in glob.glob("/proc/[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            target = os.readlink(path)
            if target.startswith("socket:["):
                found[target[8:-1]] = int(path.split("/")[2])
    return found


def sockets():
    """Our programs' unix sockets that no process holds which lives on; others' clusters may run
    beside us. An ordinary user cannot see who holds what."""
    if os.getuid() != 0:
        return set()
    with open("/proc/net/unix", encoding="utf-8", errors="replace") as f:
        lines = [line.split(maxsplit=7) for line in f.read().splitlines()[1:]]
    ours = [(fields[6], fields[7]) for fields in lines if len(fields) > 7 and "ftp" in fields[7]]
    held = holders() if ours else {}
    return {f"socket {name}" for inode, name in ours if inode not in held}


def is_locked(path):
    """By a process that lives, of others' clusters."""
    with contextlib.suppress(OSError), open("/proc/locks", encoding="utf-8") as f:
        st = os.stat(path)
        name = f"{os.major(st.st_dev):02x}:{os.minor(st.st_dev):02x}:{st.st_ino}"
        return any(name in line.split() for line in f)
    return False


def leftovers():
    """What a killed run could leave on this machine."""
    found = sockets()
    runtime = os.environ.get("XDG_RUNTIME_DIR", "/tmp")
    for pattern in ("/dev/shm/*", "/var/run/dpdk/*", f"{runtime}/dpdk/*", "/tmp/dpdk/*",
                    "/tmp/ftpipe*", "/dev/hugepages/*"):
        found.update(path for path in glob.glob(pattern) if not is_locked(path))
    with open("/proc/meminfo", encoding="utf-8") as f:
        found.update(line.strip() for line in f if line.startswith("HugePages_Free"))
    return found


def still_there(before, seconds=10):
    """What is new since before and stays: others' files come and go meanwhile."""
    deadline = time.monotonic() + seconds
    new = leftovers() - before
    while new and time.monotonic() < deadline:
        time.sleep(0.2)
        new &= leftovers()
    return new
