"""A cluster of which every node has a server of its own, as far as its network can tell: a network
namespace each, a cable each to one switch. A cable can be cut: data and control of that node are silent, and
no process ends. Or two nodes can be parted: what one sends to the other gets lost, and both reach everybody else. Addresses must be loopback ones while packets are not encrypted, so these are 127.9.0.I,
routed over the cables. The coordinator is on the first node's server. Needs root."""
import contextlib
import os
import signal
import subprocess

from cluster import Cluster, wait_for

MTU = 9000
NOBODY = "02:00:00:00:00:01"  # no server's Ethernet address


def ip(*words):
    subprocess.run(["ip", *words], check=True, stdin=subprocess.DEVNULL)


def missing():
    """Why there can be none here; "" if there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    name = f"ftp{os.getpid()}probe"
    done = subprocess.run(["ip", "netns", "add", name], stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        return f"no network namespaces: {done.stderr.strip()}"
    ip("netns", "del", name)
    return ""


class Servers(Cluster):
    def __init__(self, nodes, sets):
        names = [f"n{i + 1}" for i in range(int(nodes))]
        super().__init__(nodes, sets)
        self.sets.update({"cluster.coordinator.listen": f"127.9.0.1:{self.port}", "net.port": "udp",
                          **{f"nodes.{n}.host": f"127.9.0.{i + 1}" for i, n in enumerate(names)}})
        self.names = names
        self.starts = []
        try:
            self.plug()
        except BaseException:
            self.close()
            raise

    def space(self, name):
        return f"ftp{os.getpid()}{name}"

    def plug(self):
        switch = self.space("sw")
        ip("netns", "add", switch)
        ip("-n", switch, "link", "add", "switch", "type", "bridge")
        ip("-n", switch, "link", "set", "switch", "up")
        for i, name in enumerate(self.names):
            space = self.space(name)
            ip("netns", "add", space)
            ip("-n", switch, "link", "add", name, "mtu", str(MTU), "type", "veth", "peer", "cable",
               "mtu", str(MTU), "netns", space)
            ip("-n", switch, "link", "set", name, "master", "switch", "up")
            ip("netns", "exec", space, "sh", "-c",
               "echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet")
            ip("-n", space, "link", "set", "lo", "up")
            ip("-n", space, "link", "set", "cable", "up")
            ip("-n", space, "route", "del", "local", "127.0.0.0/8", "dev", "lo", "table", "local")
            ip("-n", space, "addr", "add", f"127.9.0.{i + 1}/24", "dev", "cable")

    def cut(self, name):
        ip("-n", self.space("sw"), "link", "set", name, "down")

    def mend(self, name):
        ip("-n", self.space("sw"), "link", "set", name, "up")

    def part(self, one, other):
        for name, peer in ((one, other), (other, one)):
            ip("-n", self.space(name), "neigh", "replace", f"127.9.0.{self.names.index(peer) + 1}",
               "lladdr", NOBODY, "dev", "cable", "nud", "permanent")

    def rejoin(self, one, other):
        for name, peer in ((one, other), (other, one)):
            ip("-n", self.space(name), "neigh", "del", f"127.9.0.{self.names.index(peer) + 1}", "dev", "cable")

    def command(self, verb, *options, sets=None):
        return ["ip", "netns", "exec", self.space(self.names[0]),
                *super().command(verb, *options, sets=sets)]

    def follow(self, sets=None, *options):
        process = super().follow(sets, "--node", self.names[0], *options)
        for name in self.names[1:]:
            self.start(name)
        return process

    def start(self, name):
        """The server's supervisor, and its node."""
        line = Cluster.command(self, "start", "--new", "--node", name,
                               sets={"cluster.data_dir": os.path.join(self.dir, name)})
        self.starts.append(subprocess.Popen(
            ["ip", "netns", "exec", self.space(name), *line], cwd=self.dir, env=self.environment(),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True))

    def everything_of(self, name):
        """Its node and its supervisor."""
        return [pid for pid, words in self.processes().items()
                if any(pair == ("--node", name) for pair in zip(words, words[1:]))]

    def end(self, name):
        def gone():
            pids = self.everything_of(name)
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return not pids
        wait_for(f"the end of {name}", gone, 10)

    def close(self):
        super().close()
        for process in self.starts:
            process.wait(timeout=10)
        for name in ["sw", *self.names]:
            subprocess.run(["ip", "netns", "del", self.space(name)], stderr=subprocess.DEVNULL,
                           check=False)
