# SPDX-License-Identifier: Apache-2.0
"""Starting, stopping, dying and starting again: nothing of ours is left, nothing of others is touched, and no packet
is lost or counted twice."""

import fcntl
import os
import pty
import pwd
import random
import re
import shutil
import signal
import subprocess
import threading
import time

import pytest

from . import bpf, lab, traffic
from .daemon import ACCEPT, BUILD, EGRESS, INGRESS, KILLS, REJECT, Flow, check, interface, interposed
from .traffic import UDP

pytestmark = pytest.mark.usefixtures("needs_daemon")
SOURCE, TARGET = "10.77.1.2", "10.77.1.1"
REWRITE_AND_REFUSE = """table ip r {
chain n { type nat hook prerouting priority -100; udp dport 53 dnat to 10.77.1.1:4343
}
chain c { type filter hook input priority 0; udp dport 4343 drop
}
}"""


def _flow(port, action=ACCEPT, source=SOURCE, target=TARGET):
    return Flow("eth0", INGRESS, source, target, 40000, port, UDP, action)


@pytest.fixture
def sink(host):
    """A port that takes everything, so that the host sends no errors of its own."""
    host.host.nft("table inet q { chain c { type filter hook output priority 0; meta l4proto { icmp, ipv6-icmp } drop\n}\n"
                  "chain d { type filter hook prerouting priority -300; udp dport 20000-20999 counter accept\n}\n}")
    with traffic.UdpSink(host.host, TARGET, 4444), traffic.UdpSink(host.host, TARGET, 20000):
        yield


@pytest.fixture
def pin_path():
    """A folder for pins that no other daemon of this machine shares."""
    path = f"/sys/fs/bpf/flowlog-test-{os.getpid()}"
    yield path
    shutil.rmtree(path, ignore_errors=True)


def _attached(host, device="eth0"):
    """Everything on the hooks of a device, as text and ids."""
    return (
        {direction: bpf.tcx_programs(host, device, direction) for direction in bpf.TCX},
        host.tc("qdisc", "show", "dev", device),
        host.tc("filter", "show", "dev", device, "ingress", check=False),
        host.tc("filter", "show", "dev", device, "egress", check=False),
    )


@pytest.mark.parametrize("attach", ["tcx", "clsact"])
def test_nothing_is_left(host, start, sink, pin_path, attach):
    hooks = _attached(host.host)
    daemon = start(host.host, [interface("eth0")], capture={"attach": attach, "pin-path": pin_path})
    assert bpf.pins(pin_path)
    held = bpf.objects_of(daemon.process.pid)
    assert {"prog_id", "map_id"} <= {kind for kind, _ in held}
    assert _attached(host.host) != hooks
    traffic.udp(host.client, SOURCE, TARGET, 4444, 7, 100)
    check(daemon, {_flow(4444): (7, 7 * 128)})
    assert _attached(host.host) == hooks
    assert not os.path.exists(pin_path)

    def gone():  # the kernel frees them a grace period later
        return not any(bpf.object_exists(*one) for one in held)

    lab.wait_for(gone, what="our programs and maps freed")


def test_clsact_gives_the_same_records(host, start, sink):
    """The fallback for kernels before 6.6, rejects and both directions included."""
    host.host.nft("table inet t { counter dropped {}\n"
                  "chain c { type filter hook input priority 0; udp dport 4343 counter name dropped drop\n}\n"
                  "chain o { type filter hook output priority 0; udp dport 4343 counter name dropped drop\n}\n}")
    daemon = start(host.host, [interface("eth0")], capture={"attach": "clsact"})
    assert "clsact" in host.host.tc("qdisc", "show", "dev", "eth0")
    assert bpf.tcx_programs(host.host, "eth0", "ingress") == []
    traffic.udp(host.client, SOURCE, TARGET, 4343, 13, 100)
    traffic.udp(host.client, SOURCE, TARGET, 4444, 11, 100)
    with traffic.UdpSink(host.client, SOURCE, 4445):
        traffic.udp(host.host, TARGET, SOURCE, 4343, 5, 100)
        traffic.udp(host.host, TARGET, SOURCE, 4445, 3, 100)
    out = Flow("eth0", "egress", TARGET, SOURCE, 40000, 4343, UDP, REJECT)
    check(daemon, {
        _flow(4343, REJECT): (13, 13 * 128),
        _flow(4444): (11, 11 * 128),
        out: (5, 5 * 128),
        out._replace(destination_port=4445, action=ACCEPT): (3, 3 * 128),
    }, host.client)
    assert host.host.counter("dropped")[0] == 18


@pytest.mark.parametrize("attach, fails, attached", [("auto", "link", True), ("tcx", "link", False), ("clsact", "filter", False)])
def test_half_an_attachment(host, start, sink, library, attach, fails, attached):
    """The way in is hooked and the way out refused: what cannot be had whole is taken back, and no packet counts twice."""
    hooks = _attached(host.host)
    daemon = start(host.host, [interface("eth0")], capture={"attach": attach}, begin=False)
    daemon.wrapper = interposed(library, **{f"{fails}_fails": 2})
    daemon.start()
    [status] = daemon.status()[0]["interfaces"]
    assert status["attached"] is attached
    assert bpf.tcx_programs(host.host, "eth0", "ingress") == []
    if not attached:
        assert "Cannot allocate memory" in status["error"]
        assert _attached(host.host) == hooks
    traffic.udp(host.client, SOURCE, TARGET, 4444, 7, 100)
    check(daemon, {_flow(4444): (7, 7 * 128)} if attached else {})
    assert _attached(host.host) == hooks


@pytest.mark.parametrize("attach", ["tcx", "clsact"])
def test_others_programs_are_left_alone(host, start, foreign, verdict_object, sink, attach):
    """Programs that were there before, and some that came while we ran, see every packet, also when we have gone."""
    host.host.tc("qdisc", "add", "dev", "eth0", "clsact")
    host.host.tc("filter", "add", "dev", "eth0", "ingress", "pref", "100", "bpf", "da", "object-file", str(verdict_object),
                 "section", "tc")
    foreign.attach_tcx("foreign_tc", host.host, "eth0", "egress")
    before = _attached(host.host)
    daemon = start(host.host, [interface("eth0")], capture={"attach": attach})
    foreign.attach_tcx("foreign_tc", host.host, "eth0", "ingress")
    traffic.udp(host.client, SOURCE, TARGET, 4444, 11, 100)
    check(daemon, {_flow(4444): (11, 11 * 128)})
    seen = foreign.array_value("verdicts", "QQ")[0]
    assert seen >= 11
    after = _attached(host.host)
    assert after[1:] == before[1:]
    assert after[0]["egress"] == before[0]["egress"] and len(after[0]["ingress"]) == 1
    traffic.udp(host.client, SOURCE, TARGET, 4444, 17, 100)
    traffic.udp(host.client, SOURCE, TARGET, 4343, 5, 100)
    traffic.settle(host.host)
    assert foreign.array_value("verdicts", "QQ") == (seen + 17, 5)


def test_killed_and_started_again(host, start, sink, pin_path):
    """While nobody is there the kernel goes on counting; the next daemon adopts what it finds."""
    daemon = start(host.host, [interface("eth0")], capture={"pin-path": pin_path})
    total = 0
    for count in (7, 11, 13):
        traffic.udp(host.client, SOURCE, TARGET, 4444, count, 100)
        traffic.settle(host.host)
        daemon.kill()
        traffic.udp(host.client, SOURCE, TARGET, 4444, 100 + count, 100)
        daemon.start()
        traffic.udp(host.client, SOURCE, TARGET, 4444, 1000 + count, 100)
        total += 1100 + 3 * count
    check(daemon, {_flow(4444): (total, total * 128)})
    assert not os.path.exists(pin_path)


def test_rejects_across_a_kill(host, start, sink):
    host.host.nft("table inet t { counter dropped {}\n"
                  "chain c { type filter hook input priority 0; udp dport 4343 numgen inc mod 3 0 counter name dropped drop\n}\n}")
    daemon = start(host.host, [interface("eth0")])
    with traffic.UdpSink(host.host, TARGET, 4343):
        traffic.udp(host.client, SOURCE, TARGET, 4343, 101, 100)
        traffic.settle(host.host)
        daemon.kill()
        traffic.udp(host.client, SOURCE, TARGET, 4343, 103, 100)
        daemon.start()
        traffic.udp(host.client, SOURCE, TARGET, 4343, 107, 100)
        traffic.settle(host.host)
        dropped = host.host.counter("dropped")[0]
        assert dropped == 104
        check(daemon, {
            _flow(4343): ((311 - dropped), (311 - dropped) * 128),
            _flow(4343, REJECT): (dropped, dropped * 128),
        })


@pytest.mark.parametrize("seed", range(KILLS // 5))  # each kills some five times
def test_killed_at_any_moment_under_traffic(host, start, sink, flood, seed):
    """Kills at random moments, also in the middle of drains (a small map drains all the time)."""
    chance = random.Random(seed)
    flows, packets = 2003, 240_000
    daemon = start(host.host, [interface("eth0")], capture={"map-entries": 4096})
    sent = []
    sender = threading.Thread(
        target=lambda: sent.append(flood(host.client, SOURCE, TARGET, flows, 22, count=packets, rate=60000))
    )
    sender.start()
    while sender.is_alive():
        time.sleep(chance.uniform(0.0, 0.25))
        daemon.kill()
        time.sleep(chance.uniform(0.0, 0.05))
        daemon.start()
    sender.join()
    assert sent == [packets]
    expected = {}
    for number in range(flows):
        count = packets // flows + (number < packets % flows)
        flow = Flow("eth0", INGRESS, SOURCE, TARGET, 16384 + number, 20000, UDP, ACCEPT)
        expected[flow] = (count, count * 50)
    check(daemon, expected)
    assert daemon.records("SKIPDATA") == []


def test_interface_that_goes_while_nobody_watches(host, net, start, sink):
    """What a killed daemon had counted on an interface that is gone by the next start is recorded all the same."""
    guest = net.namespace("guest")
    net.link(guest, "eth0", host.host, "p1")
    lab.add_address(guest, "eth0", "10.78.1.2/24")
    lab.add_address(host.host, "p1", "10.78.1.1/24")
    lab.know_neighbour(guest, "eth0", host.host, "p1", "10.78.1.1")
    daemon = start(host.host, [interface("eth0"), interface("p1")])
    held = traffic.UdpSink(host.host, "10.78.1.1", 4444)  # nothing is answered
    traffic.udp(guest, "10.78.1.2", "10.78.1.1", 4444, 13, 100)
    traffic.settle(host.host)
    daemon.kill()
    traffic.udp(guest, "10.78.1.2", "10.78.1.1", 4444, 17, 100)
    traffic.settle(host.host)
    host.host.ip("link", "del", "p1")
    held.socket.close()
    daemon.start()
    check(daemon, {_flow(4444, source="10.78.1.2", target="10.78.1.1")._replace(device="p1"): (30, 30 * 128)})


def test_restarts_never_overwrite(host, start, sink):
    """Several runs inside one five-minute slot: every record of each is there in the end."""
    daemon = start(host.host, [interface("eth0")])
    total, seen = 0, set()
    for count in (7, 11, 13):
        traffic.udp(host.client, SOURCE, TARGET, 4444, count, 100)
        total += count
        check(daemon, {_flow(4444): (total, total * 128)})
        objects = {path: path.read_bytes() for path in daemon.destination.rglob("*.gz")}
        assert seen <= set(objects.items())
        seen = set(objects.items())
        daemon.start()
    assert all(path.name.count("_") == 5 for path, _ in seen)
    daemon.stop()


def test_flow_log_ids_are_stable(host, start, sink):
    daemon = start(host.host, [interface("eth0")])
    ids = []
    for _ in range(2):
        traffic.udp(host.client, SOURCE, TARGET, 4444, 3, 100)
        traffic.settle(host.host)
        daemon.stop()
        ids.append({path.name.split("_")[3] for path in daemon.destination.rglob("*.gz")})
        daemon.start()
    daemon.stop()
    assert ids[0] == ids[1] and len(ids[0]) == 1
    [one] = ids[0]
    assert len(one) == 20 and one.startswith("fl-") and int(one[3:], 16) >= 0


def test_two_namespaces_at_once(host, net, start):
    """A daemon on each end of the wire: what one sees leave, the other sees come."""
    left = start(host.client, [interface("eth0")], name="left")
    right = start(host.host, [interface("eth0")], name="right")
    host.host.nft("table inet t { counter dropped {}\n"
                  "chain c { type filter hook input priority 0; udp dport 4343 counter name dropped drop\n}\n}")
    with traffic.UdpSink(host.host, TARGET, 4444):
        traffic.udp(host.client, SOURCE, TARGET, 4444, 11, 100)
        traffic.udp(host.client, SOURCE, TARGET, 4343, 13, 100)
        leaving = _flow(4444)._replace(direction="egress")
        check(left, {leaving: (11, 11 * 128), leaving._replace(destination_port=4343): (13, 13 * 128)}, host.host)
        traffic.udp(host.client, SOURCE, TARGET, 4444, 17, 100)
        check(right, {_flow(4444): (28, 28 * 128), _flow(4343, REJECT): (13, 13 * 128)}, host.client)


def test_daemons_beside_each_other(host, start, sink, pin_path):
    """Two on one interface, one of which dies and comes back, and one in another namespace: none is in another's way."""
    host.host.nft("table inet t {\nchain c { type filter hook input priority 0; udp dport 4343 drop\n}\n}")
    pins = {"pin-path": pin_path}
    first, second = (start(host.host, [interface("eth0")], capture=pins, keys={"listen": {"address": "127.0.0.1", "port": port}})
                     for port in (8420, 8421))
    beyond = start(host.client, [interface("eth0")], capture=pins)
    for change in (first.kill, first.start, lambda: None):
        traffic.udp(host.client, SOURCE, TARGET, 4444, 7, 100)
        traffic.udp(host.client, SOURCE, TARGET, 4343, 5, 100)
        change()
    for daemon in (second, first):
        check(daemon, {_flow(4444): (21, 21 * 128), _flow(4343, REJECT): (15, 15 * 128)}, host.client)
    sent = _flow(4444)._replace(direction=EGRESS)
    check(beyond, {sent: (21, 21 * 128), sent._replace(destination_port=4343): (15, 15 * 128)})
    assert not os.path.exists(pin_path)


def test_shared_folder_of_pins_is_made_under_a_lock(host, start, sink, pin_path):
    """Daemons that come and go at once do not take the folder above their pins from under each other."""
    daemon = start(host.host, [interface("eth0")], capture={"pin-path": pin_path})
    daemon.stop()
    above = os.open(os.path.dirname(pin_path), os.O_RDONLY)
    try:
        fcntl.flock(above, fcntl.LOCK_EX)
        starting = threading.Thread(target=daemon.start)
        starting.start()
        time.sleep(1)
        assert starting.is_alive() and not os.path.exists(pin_path)
    finally:
        os.close(above)
    starting.join()
    assert daemon.is_capturing() and bpf.pins(pin_path)
    daemon.stop()
    assert not os.path.exists(pin_path)


def test_pins_of_another_version_are_taken_down(host, start, sink, pin_path):
    """A daemon killed before an upgrade: its programs do not go on counting for nobody."""
    hooks = _attached(host.host)
    daemon = start(host.host, [interface("eth0")], capture={"pin-path": pin_path})
    daemon.kill()
    [folder] = os.listdir(pin_path)
    os.rename(f"{pin_path}/{folder}", f"{pin_path}/v0-" + folder.rpartition("-")[2])
    daemon.start()
    assert os.listdir(pin_path) == [folder]
    assert "earlier version" in daemon.log()
    traffic.udp(host.client, SOURCE, TARGET, 4444, 7, 100)
    check(daemon, {_flow(4444): (7, 7 * 128)})
    assert _attached(host.host) == hooks and not os.path.exists(pin_path)


def test_printed_to_a_terminal(host, tmp_path, start, sink):
    """A live line while it waits; records stand on lines of their own; Ctrl-C finishes the open window."""
    daemon = start(host.host, [interface("eth0")])
    daemon.stop()
    terminal, other = pty.openpty()
    process = host.host.start(str(BUILD / "flowlogd"), "--config", str(daemon.config_path), "--state", str(daemon.state),
                              "--print", stdin=other, stdout=other, stderr=other)
    os.close(other)
    said = b""
    try:
        while b"next window in" not in said:
            said += os.read(terminal, 65536)
        traffic.udp(host.client, SOURCE, TARGET, 4444, 7, 100)
        traffic.settle(host.host)
        process.send_signal(signal.SIGINT)
        while b" 4444 17 7 896 " not in said:
            said += os.read(terminal, 65536)
        assert process.wait(30) == 0
    finally:
        process.kill()
        os.close(terminal)
    live = [part for part in said.split(b"\r\x1b[K") if b"next window in" in part]
    assert live and all(part.endswith(b" s") and b"\n" not in part for part in live)
    assert b"1 interfaces, " in live[-1]


def test_second_daemon_of_one_state_is_refused(host, start, sink):
    daemon = start(host.host, [interface("eth0")])
    with host.host.entered():
        second = subprocess.run([BUILD / "flowlogd", "--config", daemon.config_path, "--state", daemon.state],
                                capture_output=True, text=True, timeout=15)
    assert second.returncode != 0
    assert len(second.stderr.strip().splitlines()) == 1
    traffic.udp(host.client, SOURCE, TARGET, 4444, 7, 100)
    check(daemon, {_flow(4444): (7, 7 * 128)})


def test_no_bpf_file_system(host, start, sink):
    """It mounts nothing and says what is missing; what it can record without pins it does."""
    daemon = start(host.host, [interface("eth0")])
    daemon.stop()
    script = 'mount --make-rprivate / && umount -l /sys/fs/bpf; exec "$@"'
    daemon.wrapper = ["unshare", "--mount", "sh", "-c", script, "sh"]
    daemon.start()
    said = daemon.log()
    assert "/sys/fs/bpf" in said and "mount -t bpf" in said
    with open(f"/proc/{daemon.process.pid}/mounts", encoding="ascii") as file:
        assert "/sys/fs/bpf" not in file.read()
    traffic.udp(host.client, SOURCE, TARGET, 4444, 7, 100)
    check(daemon, {_flow(4444): (7, 7 * 128)})


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not installed")
def test_unprivileged_user(host, start, sink, pin_path):
    """Its own user and three capabilities are enough, also to find what NAT has rewritten before it was refused; what
    only root owns stays out of reach."""
    user = pwd.getpwnam("nobody")
    os.mkdir(pin_path)
    os.chown(pin_path, user.pw_uid, user.pw_gid)
    daemon = start(host.host, [interface("eth0")])
    daemon.stop()  # made the folders
    daemon.configure([interface("eth0")], capture={"pin-path": pin_path})
    shutil.rmtree(daemon.state)
    shutil.rmtree(daemon.destination, ignore_errors=True)
    for folder in (daemon.directory, daemon.directory / "state", daemon.directory / "out"):
        folder.mkdir(exist_ok=True)
        os.chown(folder, user.pw_uid, user.pw_gid)
    for folder in daemon.directory.parents:
        if folder.stat().st_uid == 0 and not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o011)
    capabilities = "+bpf,+net_admin,+perfmon"
    daemon.wrapper = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups",
                      "--bounding-set=-all," + capabilities, "--inh-caps=-all," + capabilities,
                      "--ambient-caps=-all," + capabilities, "--no-new-privs"]
    daemon.start()
    with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file)
    assert int(status["CapEff"], 16) == 1 << 12 | 1 << 38 | 1 << 39
    assert status["Uid"].split()[0] == str(user.pw_uid)
    host.host.nft(REWRITE_AND_REFUSE)
    traffic.udp(host.client, SOURCE, TARGET, 4444, 7, 100)
    traffic.udp(host.client, SOURCE, TARGET, 53, 13, 100)
    traffic.settle(host.host)
    daemon.kill()
    traffic.udp(host.client, SOURCE, TARGET, 4444, 11, 100)
    daemon.start()
    check(daemon, {_flow(4444): (18, 18 * 128), _flow(53)._replace(action=REJECT): (13, 13 * 128)})
    assert not os.path.exists(pin_path) or not os.listdir(pin_path)


def test_reload_adds_and_removes(host, net, start, sink):
    """SIGHUP: a new rule's interface joins, a new flow log begins, and what was counted before is not lost."""
    guest = net.namespace("guest")
    net.link(guest, "eth0", host.host, "p1")
    lab.add_address(guest, "eth0", "10.78.1.2/24")
    lab.add_address(host.host, "p1", "10.78.1.1/24")
    lab.know_neighbour(guest, "eth0", host.host, "p1", "10.78.1.1")
    daemon = start(host.host, [interface("eth0")])
    traffic.udp(host.client, SOURCE, TARGET, 4444, 7, 100)
    traffic.udp(guest, "10.78.1.2", "10.78.1.1", 4444, 5, 100)
    traffic.settle(host.host)
    second = daemon.flow_log(name="second", destination=f"file://{daemon.directory}/second")
    daemon.configure([interface("eth0"), interface("p1")], flow_logs=[daemon.flow_log(), second])
    daemon.signal(signal.SIGHUP)

    def joined():
        [status] = daemon.status()
        return any(one["device"] == "p1" and one["attached"] for one in status["interfaces"])

    lab.wait_for(joined, what="p1 attached after SIGHUP")
    traffic.udp(host.client, SOURCE, TARGET, 4444, 11, 100)
    with traffic.UdpSink(host.host, "10.78.1.1", 4444):
        traffic.udp(guest, "10.78.1.2", "10.78.1.1", 4444, 13, 100)
    late = _flow(4444, source="10.78.1.2", target="10.78.1.1")._replace(device="p1")
    check(daemon, {_flow(4444): (18, 18 * 128), late: (13, 13 * 128)})
    assert list((daemon.directory / "second").rglob("*.gz"))


def test_reload_of_a_wrong_file_changes_nothing(host, start, sink):
    daemon = start(host.host, [interface("eth0")])
    traffic.udp(host.client, SOURCE, TARGET, 4444, 7, 100)
    traffic.settle(host.host)
    daemon.config_path.write_text("topology: {interfaces: [{device: eth0, role: guest}]}\n", encoding="ascii")
    daemon.signal(signal.SIGHUP)
    lab.wait_for(lambda: f"{daemon.config_path}:1" in daemon.log(), what="the mistake in the log")
    traffic.udp(host.client, SOURCE, TARGET, 4444, 11, 100)
    check(daemon, {_flow(4444): (18, 18 * 128)})


def test_stopped_while_it_attaches(host, start, pin_path):
    """SIGTERM when some interfaces are attached and others wait: nothing of ours is left."""
    lab.add_crowd(host.host, 175, 7)
    rules = [{"device": "*", "role": "nic"}]
    daemon = start(host.host, rules, begin=False, capture={"pin-path": pin_path})
    daemon.is_capturing = lambda: re.search("; [de][0-9]", daemon.status_command().stderr)  # one waits, so the one before is attached
    daemon.start()
    assert bpf.pins(pin_path)
    daemon.stop()
    assert not os.path.exists(pin_path)
    assert bpf.tcx_programs(host.host, "eth0", "ingress") == []


def test_stopped_under_traffic(host, start, sink, flood):
    """SIGTERM in the middle of a flood: it ends in time and records exactly what passed until it let go."""
    daemon = start(host.host, [interface("eth0")])
    sender = threading.Thread(target=lambda: flood(host.client, SOURCE, TARGET, 5003, 22, seconds=3))
    sender.start()
    time.sleep(1)
    passed = host.host.statistic("eth0", "rx_packets")
    daemon.stop()
    later = host.host.statistic("eth0", "rx_packets")
    sender.join()
    recorded = sum(size[0] for size in daemon.totals().values())
    assert passed * 0.9 <= recorded <= later
