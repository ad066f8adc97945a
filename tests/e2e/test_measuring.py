"""What nodes measure: their units, slowed as they are told, and their links; the coordinator here
is the test."""
import json
import os
import re
import socket
import subprocess
import unittest

from cluster import BUILD, LENET5, Cluster, wait_for

RUN = f"{7:016x}"


class Peer:
    """One node's connection: lines of JSON-RPC."""

    def __init__(self, connection):
        connection.settimeout(60)
        self.connection = connection
        self.lines = connection.makefile("r", encoding="utf-8")
        self.n_calls = 0
        call = self.read()
        assert call["method"] == "node.join", call
        self.join = call["params"]
        self.index = int(self.join["name"][1:]) - 1
        self.write({"id": call["id"], "result": {"node": self.index, "run": RUN, "isa": "", "row": 0}})

    def read(self):
        return json.loads(self.lines.readline())

    def write(self, document):
        self.connection.sendall(json.dumps({"jsonrpc": "2.0", **document}).encode() + b"\n")

    def close(self):
        self.lines.close()
        self.connection.close()

    def ask(self, method, params):
        self.n_calls += 1
        self.write({"id": self.n_calls, "method": method, "params": params})

    def answer(self):
        while True:
            document = self.read()
            if document.get("id") == self.n_calls and "method" not in document:
                return document


class Nodes:
    """The nodes of a cluster's configuration, admitted by us."""

    def __init__(self, cluster, *options):
        config = os.path.join(cluster.dir, "config.yaml")
        dump = cluster.command("config")
        dump.insert(2, "dump")
        with open(config, "w", encoding="utf-8") as f:
            subprocess.run(dump, cwd=cluster.dir, stdout=f, check=True)
        self.processes = []
        with socket.create_server(("127.0.0.1", cluster.port)) as server:
            server.settimeout(20)
            for i in range(cluster.n_nodes):
                line = [os.path.join(BUILD, "ftpipe-node"), "--config", config, "--node", f"n{i + 1}",
                        "--coordinator", f"127.0.0.1:{cluster.port}", "--run-dir", cluster.dir,
                        *options]
                self.processes.append(subprocess.Popen(line, env=cluster.environment(),
                                                       cwd=cluster.dir))
            self.peers = sorted((Peer(server.accept()[0]) for _ in self.processes),
                                key=lambda p: p.index)

    def ask_all(self, method, params):
        for p in self.peers:
            p.ask(method, params)
        return [p.answer() for p in self.peers]

    def probe(self, term):
        nodes = [{"node": p.index, "name": p.join["name"], "host": "127.0.0.1",
                  "udp_port": p.join[("udp_port_even", "udp_port_odd")[term % 2]], "incarnation": p.join["incarnation"],
                  "first_unit": 0, "end_unit": 0} for p in self.peers]
        return self.ask_all("node.probe", {"run": RUN, "term": term, "nodes": nodes})

    def end(self):
        self.ask_all("node.stop", {"reason": "done"})
        codes = [p.wait(timeout=20) for p in self.processes]
        for p in self.peers:
            p.close()
        return codes


class Measuring(unittest.TestCase):
    def measure(self, sets, *options):
        with Cluster(3, {**LENET5, **sets}) as c:
            nodes = Nodes(c, *options)
            profiles = nodes.ask_all("node.profile", {"isa": nodes.peers[0].join["isa"]})
            links = [nodes.probe(term) for term in (1, 2)]
            page = c.scrape(c.port + 3)  # n2's
            self.assertEqual(nodes.end(), [0, 0, 0])
            c.assert_nothing_left(supervisor_killed=True)  # there was none
        for answer in profiles + links[0] + links[1]:
            self.assertIn("result", answer, answer)
        return [p["result"] for p in profiles], [[a["result"] for a in l] for l in links], page

    def check_links(self, links):
        for probed in links:
            for i, l in enumerate(probed):
                self.assertEqual(l["peer"], [k for k in range(3) if k != i])
                self.assertTrue(all(1000 < ns < 1e9 for ns in l["rtt_ns"]), l)
                self.assertTrue(all(rate > 1e5 for rate in l["bytes_per_s"]), l)

    def test_memif(self):
        profiles, links, page = self.measure({"nodes.n2.emulate.slowdown": 5})
        self.check_links(links)
        for p in profiles:
            self.assertEqual(len(p["forward_ns"]), 5)
            self.assertTrue(all(ns > 0 for ns in p["forward_ns"] + p["backward_ns"]), p)
            self.assertTrue(all(n > 0 for n in p["slot_bytes"]), p)
        total = [sum(p["forward_ns"]) + sum(p["backward_ns"]) for p in profiles]
        self.assertGreater(total[1], 2 * min(total))
        self.assertRegex(page, r'(?m)^ftp_emulated_slowdown{node="n2"} 5$')
        self.assertRegex(page, r'(?m)^ftp_profile_seconds{node="n2",pass="forward"} 0\.')
        self.assertRegex(page, r'(?m)^ftp_probe_rtt_seconds{node="n2",peer="n3"} ')

    def test_udp_and_a_slow_line(self):
        _, links, _ = self.measure({"net.port": "udp", "nodes.n3.emulate.bandwidth": "5MB/s",
                                    "nodes.n3.emulate.delay": "2ms"})
        self.check_links(links)
        for probed in links:
            for i in (0, 1):
                self.assertGreater(probed[i]["rtt_ns"][1], 4e6)
                self.assertLess(probed[i]["bytes_per_s"][1], 6e6)
                self.assertGreater(probed[i]["bytes_per_s"][1], 2e6)

    def test_a_node_that_does_not_probe(self):
        """Who waits for it names it, and the others live on."""
        with Cluster(3, LENET5) as c:
            nodes = Nodes(c)
            self.assertEqual(nodes.probe(1)[0].get("error"), None)
            nodes.processes[2].kill()
            nodes.processes[2].wait()
            asked = [{"node": p.index, "name": p.join["name"], "host": "127.0.0.1",
                      "udp_port": p.join["udp_port_even"], "incarnation": p.join["incarnation"],
                      "first_unit": 0, "end_unit": 0} for p in nodes.peers]
            nodes.peers.pop().close()
            answers = nodes.ask_all("node.probe", {"run": RUN, "term": 2, "nodes": asked})
            said = sorted(a["error"]["message"] for a in answers)
            self.assertIn("n3 did not answer while links were measured", said)
            again = nodes.ask_all("node.probe", {"run": RUN, "term": 3, "nodes": asked[:2]})
            self.assertTrue(all("result" in a for a in again), again)
            nodes.end()

    def test_emulate_only_in_a_drill(self):
        slow = {"slowdown": 3.0, "loss": 0.0, "bandwidth_bytes": 0, "delay_ns": 0}
        with Cluster(2, LENET5) as c:
            nodes = Nodes(c)
            for a in nodes.ask_all("node.emulate", slow):
                self.assertRegex(a["error"]["message"], "not a drill")
            nodes.end()
        with Cluster(2, LENET5) as c:
            nodes = Nodes(c, "--drill")
            for a in nodes.ask_all("node.emulate", {**slow, "slowdown": 0.5}):
                self.assertRegex(a["error"]["message"], "slowdown")
            for a in nodes.ask_all("node.emulate", slow):
                self.assertIn("result", a)
            wait_for("the new slowdown", lambda: re.search(
                r'(?m)^ftp_emulated_slowdown{node="n1"} 3$', c.scrape(c.port + 2)), 10)
            nodes.end()


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Slowdown(unittest.TestCase):
    SETS = {**LENET5, "training.batch": 512, "training.cuts": "2"}

    def test_the_loss_is_the_same(self):
        traces = set()
        for slowdown in (1, 4):
            with Cluster(2, {**self.SETS, "nodes.n1.emulate.slowdown": slowdown}) as c:
                c.train()
                traces.add(c.loss())
        self.assertEqual(len(traces), 1)

    def test_compute_time_is_a_multiple_of_cpu_time(self):
        """In the node's own CPU time, most of it its tasks', so that others' load changes little."""
        with Cluster(2, {**self.SETS, "training.steps": 1000000,
                         "nodes.n1.emulate.slowdown": 4}) as c:
            c.follow()
            c.wait_for_steps(5)
            pid = c.pids_of("n1")[0]

            def sample():
                stage = r'(?m)^ftp_stage_compute_seconds_total{node="n1",stage="0"} (\S+)$'
                return cpu_seconds(pid), float(re.search(stage, c.scrape(c.port + 2)).group(1))
            cpu, compute = sample()
            wait_for("more CPU time", lambda: cpu_seconds(pid) > cpu + 1, 60)
            cpu, compute = (b - a for a, b in zip((cpu, compute), sample()))
            self.assertGreater(compute / cpu, 3)
            self.assertLess(compute / cpu, 5.5)


if __name__ == "__main__":
    unittest.main(verbosity=2)
