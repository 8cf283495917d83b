#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Live benchmarks: what counting costs per packet, what it takes from throughput, what the daemon itself needs.

    sudo tests/bench/live/bench.py [--rounds N]

Everything is measured against something of the same run: an empty tcx program, a wire with nothing attached,
softflowd and pmacctd. The figures are ratios and differences; the machine's own speed is not the point. Takes about
three minutes. Needs iperf3, softflowd and pmacctd (scripts/packages bench).
"""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "system"))

from live import bpf, lab  # noqa: E402
from live.daemon import Daemon, interface  # noqa: E402

SOURCE, TARGET = "10.77.1.2", "10.77.1.1"
PAYLOAD = 22  # a frame of 64 bytes
FLOWS = (1_000, 100_000)
FLOOD_SECONDS, IPERF_SECONDS = 1, 1
LOAD_SECONDS, LOAD_RATE, LOAD_FLOWS = 62, 400_000, 100_000  # a window's end is in it

# A firewall's work: every packet of the flood becomes a REJECT.
REFUSE = """table inet bench {
chain c { type filter hook prerouting priority -300; udp dport 20000-20999 drop
}
}"""


class Scene:
    """A client wired to a host, and the tools that load the wire."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.net = lab.Lab()
        pair = lab.HostLab(self.net)
        self.client, self.host = pair.client, pair.host
        self.flood_binary = self.directory / "flood"
        lab.run("cc", "-std=gnu17", "-D_GNU_SOURCE", "-O2", "-o", str(self.flood_binary), str(HERE / "flood.c"), timeout=60)
        self.empty, self.take = (self._compile(name) for name in ("empty", "take"))

    def _compile(self, name):
        target = self.directory / f"{name}.o"
        lab.run("clang", "-O2", "-g", "-target", "bpf", f"-I/usr/include/{os.uname().machine}-linux-gnu", "-c",
                str(HERE / f"{name}.bpf.c"), "-o", str(target), timeout=60)
        return target

    @contextlib.contextmanager
    def accepting(self):
        """The flood is let in and taken away behind every hook and packet socket, so that nothing else costs."""
        self.host.tc("qdisc", "add", "dev", "eth0", "clsact")
        self.host.tc("filter", "add", "dev", "eth0", "ingress", "bpf", "da", "object-file", str(self.take), "section", "tc")
        try:
            yield
        finally:
            self.host.tc("qdisc", "del", "dev", "eth0", "clsact")

    @contextlib.contextmanager
    def refusing(self):
        """The flood is dropped by a firewall in front of everything else."""
        self.host.nft(REFUSE)
        try:
            yield
        finally:
            self.host.nft("delete table inet bench")

    def flood(self, flows, **options):
        """Packets per second that arrived."""
        words = [f"{key}={value}" for key, value in options.items()]
        before = self.host.statistic("eth0", "rx_packets")
        said = self.client.run(str(self.flood_binary), SOURCE, TARGET, str(flows), str(PAYLOAD), *words, timeout=120)
        return (self.host.statistic("eth0", "rx_packets") - before) / float(said.split()[1])

    def iperf(self):
        """Bits per second of one TCP stream."""
        server = self.host.start("iperf3", "-s", "-1", "-B", TARGET, stdout=subprocess.DEVNULL)
        try:
            lab.wait_for(lambda: ":5201 " in self.host.run("ss", "-Hltn"), what="iperf3 server")
            said = self.client.run("iperf3", "-J", "-c", TARGET, "-t", str(IPERF_SECONDS), timeout=30)
            server.wait(10)
        finally:
            server.kill()
            server.wait()
        return json.loads(said)["end"]["sum_received"]["bits_per_second"]

    def daemon(self, name, flow_logs=None):
        return Daemon(self.host, self.directory / name, [interface("eth0")], flow_logs, capture={"map-entries": 262144})


@contextlib.contextmanager
def running(process):
    """A peer in the foreground, given a moment to open its socket, ended by SIGTERM."""
    try:
        time.sleep(0.5)
        if process.poll() is not None:
            raise RuntimeError(f"{process.args[0]} ended with {process.returncode}")
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def nothing(_):
    yield


@contextlib.contextmanager
def empty_program(scene):
    programs = bpf.Programs(scene.empty)
    try:
        programs.attach_tcx("empty", scene.host, "eth0", "ingress")
        programs.attach_tcx("empty", scene.host, "eth0", "egress")
        yield
    finally:
        programs.close()


@contextlib.contextmanager
def flowlogd(scene):
    daemon = scene.daemon("throughput")
    try:
        daemon.start()
        yield
        daemon.stop()
    finally:
        daemon.close()


@contextlib.contextmanager
def flowlogd_with_dead_ends(scene):
    """Every destination is dead, with records waiting for each: nobody listens, or answers, or has room."""
    obstacle = scene.directory / "obstacle"
    obstacle.touch()
    with scene.host.entered():
        stalled = socket.create_server(("127.0.0.1", 0))
    refused, silent = "127.0.0.1:9", f"127.0.0.1:{stalled.getsockname()[1]}"
    ends = [("file", f"file://{obstacle}/out", None), ("s3", "s3://bucket", f"http://{refused}"),
            ("logs", "cloudwatch:/flow/logs", f"http://{silent}"), ("firehose", "firehose:stream", f"http://{refused}"),
            ("kafka", f"kafka://{refused}/topic", None)]
    entries = [{"name": name, "interval": 60, "destination": destination} | ({"endpoint": endpoint} if endpoint else {})
               for name, destination, endpoint in ends]
    daemon = scene.daemon("dead", entries)
    daemon.wrapper = ["env", "AWS_ACCESS_KEY_ID=AKIABENCH", "AWS_SECRET_ACCESS_KEY=bench", "AWS_REGION=eu-central-1"]
    try:
        daemon.start()
        scene.flood(FLOWS[0], count=FLOWS[0])
        daemon.stop()  # which leaves all of it in the spools
        daemon.start()
        yield
        daemon.stop()
    finally:
        daemon.close()
        stalled.close()


def softflowd(scene):
    arguments = ["-d", "-i", "eth0", "-n", "127.0.0.1:9995", "-m", "200000", "-p", str(scene.directory / "softflowd.pid"),
                 "-c", str(scene.directory / "softflowd.ctl")]
    return running(scene.host.start("softflowd", *arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))


def pmacctd(scene):
    path = scene.directory / "pmacctd.conf"
    path.write_text(
        "daemonize: false\npcap_interface: eth0\nplugins: print\nprint_refresh_time: 60\nprint_cache_entries: 262147\n"
        f"print_output_file: {scene.directory}/pmacctd.out\nplugin_pipe_size: 67108864\nplugin_buffer_size: 65536\n"
        "aggregate: src_host,dst_host,src_port,dst_port,proto\n",
        encoding="ascii",
    )
    return running(scene.host.start("pmacctd", "-f", str(path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))


TOOLS = [
    ("nothing", nothing),
    ("empty tcx program", empty_program),
    ("flowlogd", flowlogd),
    ("with dead ends", flowlogd_with_dead_ends),
    ("softflowd", softflowd),
    ("pmacctd", pmacctd),
]


def throughput(scene, rounds):
    """Tools take turns within a round, so that a change of the machine's mood meets all of them."""
    tools = [(name, tool) for name, tool in TOOLS if name not in ("softflowd", "pmacctd") or shutil.which(name)]
    for name in {name for name, _ in TOOLS} - {name for name, _ in tools}:
        print(f"{name} is not installed: left out")
    measured = {name: {} for name, _ in tools}
    for number in range(rounds):
        for name, tool in tools[number % len(tools) :] + tools[: number % len(tools)]:
            with tool(scene):
                for fate in (scene.accepting, scene.refusing):
                    for flows in FLOWS:
                        with fate():
                            scene.flood(flows, count=flows)  # every flow is known before the clock runs
                            kind = f"{flows // 1000} k {fate.__name__}"
                            measured[name].setdefault(kind, []).append(scene.flood(flows, seconds=FLOOD_SECONDS))
                measured[name].setdefault("iperf3", []).append(scene.iperf())
    floor = {kind: statistics.median(values) for kind, values in measured["nothing"].items()}
    print(f"\nThroughput with each attached, against nothing attached (median of {rounds} rounds)")
    print(f"{'':20}" + "".join(f"{kind:>18}" for kind in floor))
    for name, kinds in measured.items():
        print(f"{name:20}" + "".join(f"{statistics.median(kinds[kind]) / floor[kind]:18.3f}" for kind in floor))
    print(f"{'nothing, Mbit, Mpps':20}" + "".join(f"{value / 1e6:18.2f}" for value in floor.values()))


def _run_time(program):
    """Nanoseconds and runs of a program so far, by the kernel's own statistics."""
    shown = json.loads(lab.run("bpftool", "-j", "prog", "show", "id", str(program)))
    return shown.get("run_time_ns", 0), shown.get("run_cnt", 0)


def _per_run(programs, action):
    before = [_run_time(program) for program in programs]
    action()
    after = [_run_time(program) for program in programs]
    return [(b[0] - a[0]) / max(b[1] - a[1], 1) for a, b in zip(before, after)]


@contextlib.contextmanager
def kernel_statistics():
    path = pathlib.Path("/proc/sys/kernel/bpf_stats_enabled")
    before = path.read_text(encoding="ascii")
    path.write_text("1", encoding="ascii")
    try:
        yield
    finally:
        path.write_text(before, encoding="ascii")


def hook_cost(scene):
    """Both programs sit in the same chain and see the same packets; the empty one's time is the measuring's own."""
    daemon, programs = scene.daemon("hook"), bpf.Programs(scene.empty)
    try:
        daemon.start()
        [ours] = bpf.tcx_programs(scene.host, "eth0", "ingress")
        programs.attach_tcx("empty", scene.host, "eth0", "ingress")
        chain = bpf.tcx_programs(scene.host, "eth0", "ingress")
        [floor] = [program for program in chain if program != ours]
        with kernel_statistics():
            print("\nCost of the hook per packet, kernel's own run time, above an empty program in the same chain")
            for flows in (1, *FLOWS):
                new = _per_run([ours, floor], lambda: scene.flood(flows, count=flows, port=20000))
                known = _per_run([ours, floor], lambda: scene.flood(flows, seconds=2))
                print(f"{flows:>8} flows: {known[0] - known[1]:6.0f} ns (itself {known[0]:.0f}, empty {known[1]:.0f})", end="")
                if flows == FLOWS[-1]:
                    print(f"; a new flow {new[0] - new[1]:.0f} ns", end="")
                print()
        daemon.stop()
    finally:
        programs.close()
        daemon.close()


def refusal_cost(scene):
    """What the drop program adds to the hook's cost for a packet that a firewall refuses."""
    daemon = scene.daemon("refusal")
    try:
        daemon.start()
        [hook] = bpf.tcx_programs(scene.host, "eth0", "ingress")
        own = {number for kind, number in bpf.objects_of(daemon.process.pid) if kind == "prog_id"}
        shown = json.loads(lab.run("bpftool", "-j", "prog", "show"))
        [drop] = [program["id"] for program in shown if program["id"] in own and program.get("name") == "discarded"]
        with kernel_statistics():
            print("\nCost of a refused packet, kernel's own run time, the measuring's own included")
            for flows in FLOWS:
                scene.flood(flows, count=flows)
                costs = _per_run([hook, drop], lambda: scene.flood(flows, seconds=2))
                print(f"{flows:>8} flows: hook {costs[0]:.0f} ns, drop program {costs[1]:.0f} ns")
        daemon.stop()
    finally:
        daemon.close()


def _cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        rows = dict(line.split(":", 1) for line in file if ":" in line)
    return int(rows["VmHWM"].split()[0]) / 1024


def daemon_cost(scene):
    """A minute of load, so that every part of the daemon's work (drains, a window, its records) is in it."""
    daemon = scene.daemon("load")
    try:
        daemon.start()
        begin, idle = time.monotonic(), _memory(daemon.process.pid)
        start = _cpu_seconds(daemon.process.pid)
        rate = scene.flood(LOAD_FLOWS, seconds=LOAD_SECONDS, rate=LOAD_RATE)
        lab.wait_for(lambda: list(daemon.destination.rglob("*.gz")), timeout=15, what="records of a window")
        used, elapsed = _cpu_seconds(daemon.process.pid) - start, time.monotonic() - begin
        print(f"\nDaemon at {rate / 1e6:.2f} Mpps and {LOAD_FLOWS:,} flows, {elapsed:.0f} s: {100 * used / elapsed:.2f} % of a core, "
              f"{_memory(daemon.process.pid):.1f} MiB at most ({idle:.1f} MiB idle); its start: {start:.2f} s of CPU")
        daemon.stop()
        lost = sum(int(record["x-lost-packets"]) for record in daemon.records("SKIPDATA"))
        print(f"packets without a record: {lost}")
    finally:
        daemon.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="rounds of the throughput comparison (3)")
    parser.add_argument("--only", choices=("hook", "throughput", "daemon"), help="one part")
    options = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("network namespaces and BPF need root")
    lab.mount_bpf_file_system()
    lab.sweep()
    with tempfile.TemporaryDirectory(prefix="flowlog-bench-") as directory:
        scene = Scene(directory)
        try:
            if options.only in (None, "hook"):
                with scene.accepting():
                    hook_cost(scene)
                with scene.refusing():
                    refusal_cost(scene)
            if options.only in (None, "throughput"):
                throughput(scene, options.rounds)
            if options.only in (None, "daemon"):
                with scene.accepting():
                    daemon_cost(scene)
        finally:
            scene.net.close()


if __name__ == "__main__":
    main()
