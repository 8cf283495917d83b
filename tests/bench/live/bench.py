#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Live benchmarks: what counting costs per packet, what it takes from throughput, what the daemon itself needs.

    sudo tests/bench/live/bench.py [--only PART]

Everything is measured against something of the same run: an empty tcx program, a wire with nothing attached,
softflowd and pmacctd. The figures are ratios and differences; the machine's own speed is not the point. Takes about
four minutes. Needs iperf3, softflowd and pmacctd (scripts/packages bench).
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
BARE_SOURCE, BARE_TARGET = "10.77.9.2", "10.77.9.1"  # of the wire with nothing attached
PAYLOAD = 22  # a frame of 64 bytes
FLOWS = (1_000, 100_000)
FLOOD_SECONDS, STREAM_TURNS, STREAM_SLICE = 1.5, 50, 0.05
SENDER = max(os.sched_getaffinity(0))  # the processor of the flood, and of all that the kernel does with it
LOAD_SECONDS, LOAD_RATE, LOAD_FLOWS = 62, 400_000, 100_000  # a window's end is in it

# A firewall's work: every packet of the flood becomes a REJECT.
REFUSE = """table inet bench {
chain c { type filter hook prerouting priority -300; udp dport 20000-20999 drop
}
}"""


def _received(end):
    """Bytes that have arrived at a host's eth0."""
    with end.entered(), open("/proc/thread-self/net/dev", encoding="ascii") as file:
        return next(int(line.split(":")[1].split()[0]) for line in file if line.lstrip().startswith("eth0:"))


def _stream_slice(end, client):
    """Bits per second while a stopped sender runs for a moment."""
    before, begin = _received(end), time.monotonic()
    client.send_signal(signal.SIGCONT)
    time.sleep(STREAM_SLICE)
    client.send_signal(signal.SIGSTOP)
    elapsed = time.monotonic() - begin
    time.sleep(0.001)  # what is under way arrives
    return 8 * (_received(end) - before) / elapsed


class Scene:
    """A client wired to a host, and to another one that nothing is ever attached to; the tools that load the wires."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.net = lab.Lab()
        pair = lab.HostLab(self.net)
        self.client, self.host = pair.client, pair.host
        self.bare = self.net.namespace("bare")
        self.net.link(self.client, "eth1", self.bare, "eth0")
        for end, device, address in ((self.client, "eth1", BARE_SOURCE), (self.bare, "eth0", BARE_TARGET)):
            lab.add_address(end, device, f"{address}/24")
        lab.know_neighbour(self.client, "eth1", self.bare, "eth0", BARE_TARGET)
        lab.know_neighbour(self.bare, "eth0", self.client, "eth1", BARE_SOURCE)
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
        for end in (self.host, self.bare):
            end.tc("qdisc", "add", "dev", "eth0", "clsact")
            end.tc("filter", "add", "dev", "eth0", "ingress", "bpf", "da", "object-file", str(self.take), "section", "tc")
        try:
            yield
        finally:
            for end in (self.host, self.bare):
                end.tc("qdisc", "del", "dev", "eth0", "clsact")

    @contextlib.contextmanager
    def refusing(self):
        """The flood is dropped by a firewall in front of everything else."""
        for end in (self.host, self.bare):
            end.nft(REFUSE)
        try:
            yield
        finally:
            for end in (self.host, self.bare):
                end.nft("delete table inet bench")

    def _send(self, flows, options, *command):
        words = [f"{key}={value}" for key, value in options.items()]
        said = self.client.run(*command, str(self.flood_binary), SOURCE, TARGET, str(flows), str(PAYLOAD), *words, timeout=120)
        return [float(word) for word in said.split()]

    def flood(self, flows, **options):
        """Packets per second that arrived."""
        before = self.host.statistic("eth0", "rx_packets")
        _, seconds = self._send(flows, options)
        return (self.host.statistic("eth0", "rx_packets") - before) / seconds

    def compare(self, flows):
        """A flood by both wires in turn, every flow known before the clock runs: the bare wire's packets per second, and
        the rate of the other against it with the quartiles. It has a processor of its own, as far as there is another."""
        pinned = ("taskset", "-c", str(SENDER))
        self._send(flows, {"count": flows}, *pinned)
        before = [end.statistic("eth0", "rx_packets") for end in (self.host, self.bare)]
        *sent, rate, median, low, high = self._send(
            flows, {"seconds": FLOOD_SECONDS, "beside": f"{BARE_SOURCE},{BARE_TARGET}"}, *pinned)
        came = [end.statistic("eth0", "rx_packets") - count for end, count in zip((self.host, self.bare), before)]
        share = came[0] / sent[0] / (came[1] / sent[1])
        return rate, (median * share, low * share, high * share)

    @contextlib.contextmanager
    def _stream(self, end, target):
        """iperf3 sending from one processor to the others, for as long as the block lasts; stopped at first."""
        server = end.start("iperf3", "-s", "-1", "-B", target, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        client = None
        try:
            lab.wait_for(lambda: ":5201 " in end.run("ss", "-Hltn"), what="iperf3 server")
            client = self.client.start("taskset", "-c", str(SENDER), "iperf3", "-c", target, "-t", "60", stdout=subprocess.DEVNULL)
            lab.wait_for(lambda: _received(end) > 1 << 24, what="a stream")
            client.send_signal(signal.SIGSTOP)
            yield client
        finally:
            for process in filter(None, (client, server)):
                process.kill()
                process.wait()

    def compare_streams(self):
        """As `compare`, of TCP: two streams run by turns. Bits per second."""
        rates, quads = {self.host: [], self.bare: []}, []
        with self._stream(self.host, TARGET) as first, self._stream(self.bare, BARE_TARGET) as second:
            for _ in range(STREAM_TURNS):
                for end, client in ((self.host, first), (self.bare, second), (self.bare, second), (self.host, first)):
                    rates[end].append(_stream_slice(end, client))
                quads.append(sum(rates[self.host][-2:]) / sum(rates[self.bare][-2:]))
        low, median, high = statistics.quantiles(quads, n=4)
        return statistics.median(rates[self.bare]), (median, low, high)

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


@contextlib.contextmanager
def apart_from_sender():
    """All that this process starts runs beside the sender's processor, where there is another."""
    home = os.sched_getaffinity(0)
    os.sched_setaffinity(0, home - {SENDER} or home)
    try:
        yield
    finally:
        os.sched_setaffinity(0, home)


def _comparisons(scene):
    """Of each kind of load, as things are attached. What is refused on the bare wire meets flowlogd's drop program, too,
    which leaves another namespace's packets alone: that much is missing in the ratio of refused ones."""
    for fate in (scene.accepting, scene.refusing):
        with fate():
            for flows in FLOWS:
                yield f"{flows // 1000} k {fate.__name__}", scene.compare(flows)
    yield "iperf3", scene.compare_streams()


def throughput(scene, only):
    """Each load goes over both wires by turns, of which one has the tool attached."""
    tools = [(name, tool) for name, tool in TOOLS if not only or name in only]
    rates = {}
    print("\nThroughput with each attached, against a wire with nothing attached: median [quartiles]")
    for name, tool in tools:
        if name in ("softflowd", "pmacctd") and not shutil.which(name):
            print(f"{name} is not installed: left out")
            continue
        with tool(scene):
            measured = dict(_comparisons(scene))
        if not rates:
            print(f"{'':18}" + "".join(f"{kind:>20}" for kind in measured))
        print(f"{name:18}" + "".join(f"  {median:.3f} [{low:.2f} {high:.2f}]" for _, (median, low, high) in measured.values()),
              flush=True)
        for kind, (rate, _) in measured.items():
            rates.setdefault(kind, []).append(rate / 1e6)
    print(f"{'bare, Mpps, Mbit/s':18}" + "".join(f"{statistics.median(values):20.2f}" for values in rates.values()))


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
    parser.add_argument("--only", choices=("hook", "throughput", "daemon"), help="one part")
    parser.add_argument("--tool", action="append", choices=[name for name, _ in TOOLS],
                        help="compare the throughput with this one alone; may be repeated")
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
                with apart_from_sender():
                    throughput(scene, options.tool)
            if options.only in (None, "daemon"):
                with scene.accepting():
                    daemon_cost(scene)
        finally:
            scene.net.close()


if __name__ == "__main__":
    main()
