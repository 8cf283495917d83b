# SPDX-License-Identifier: Apache-2.0
"""Which interfaces are recorded, as what, and what happens when they come, go and change while the daemon runs."""

import fcntl
import os
import re
import struct
import time

import pytest
import scapy.all as scapy

from . import lab, traffic
from .daemon import ACCEPT, EGRESS, INGRESS, REJECT, Absent, Flow, check, interface
from .traffic import ICMP, UDP

PACKETS, PAYLOAD = 17, 100


def _wire_up(net, host, device, number, index=None):
    """A new guest on a new link of the host: 10.78.N.2 behind `device` with 10.78.N.1."""
    guest = net.namespace(f"g{number}")
    net.link(host, device, guest, "eth0", index)
    lab.add_address(guest, "eth0", f"10.78.{number}.2/24")
    lab.add_address(host, device, f"10.78.{number}.1/24")
    lab.know_neighbour(guest, "eth0", host, device, f"10.78.{number}.1")
    lab.know_neighbour(host, device, guest, "eth0", f"10.78.{number}.2")
    return guest


def _send(guest, number, count=PACKETS, port=4444):
    traffic.udp(guest, f"10.78.{number}.2", f"10.78.{number}.1", port, count, PAYLOAD)


def _by_address(records):
    """Packets by direction and source, and the ids of the interfaces that recorded them."""
    packets, ids = {}, {}
    for record in records:
        key = (record["flow-direction"], record["pkt-srcaddr"])
        packets[key] = packets.get(key, 0) + int(record["packets"])
        ids.setdefault(record["pkt-srcaddr"], set()).add(record["interface-id"])
    return packets, ids


@pytest.fixture
def quiet_host(net):
    """A host that answers nothing: what guests send is all there is."""
    host = net.namespace("host")
    host.nft("table inet q { chain c { type filter hook output priority 0; meta l4proto { icmp, ipv6-icmp } drop\n}\n}")
    return host


def _is_attached(daemon, device):
    if isinstance(daemon, Absent):
        return True
    [status] = daemon.status()
    return any(one["device"] == device and one["attached"] for one in status["interfaces"])


def _finish(daemon, *namespaces):
    traffic.settle(daemon.namespace, *namespaces)
    if isinstance(daemon, Absent):
        return None
    daemon.stop()
    return [record for record in daemon.records() if record["protocol"] == str(UDP)]


def test_globs_and_roles(net, quiet_host, start):
    """Only what a rule names is recorded; the first rule that matches decides the role."""
    guests = [_wire_up(net, quiet_host, device, number) for number, device in enumerate(("p1", "p2", "x1", "y1"))]
    rules = [
        {"device": "p2", "role": "nic", "interface-id": "derived"},
        {"device": "p*", "role": "port", "interface-id": "derived"},
        {"device": "x1", "role": "nic", "interface-id": "eni-0123456789abcdef0"},
    ]
    daemon = start(quiet_host, rules)
    for number, guest in enumerate(guests):
        _send(guest, number)
    records = _finish(daemon, *guests)
    if records is None:
        return
    packets, ids = _by_address(records)
    assert packets == {(EGRESS, "10.78.0.2"): PACKETS, (INGRESS, "10.78.1.2"): PACKETS, (INGRESS, "10.78.2.2"): PACKETS}
    assert ids["10.78.2.2"] == {"eni-0123456789abcdef0"}
    derived = ids["10.78.0.2"] | ids["10.78.1.2"]
    assert len(derived) == 2
    assert all(len(one) == 21 and one.startswith("eni-") and int(one[4:], 16) >= 0 for one in derived)


def test_interfaces_that_come_later(net, quiet_host, start):
    first = _wire_up(net, quiet_host, "p1", 1)
    daemon = start(quiet_host, [{"device": "p*", "role": "nic"}])
    _send(first, 1)
    second = _wire_up(net, quiet_host, "p2", 2)
    lab.wait_for(lambda: _is_attached(daemon, "p2"), what="p2 attached")
    _send(second, 2, 19)
    third = _wire_up(net, quiet_host, "other", 3)
    _send(third, 3)
    records = _finish(daemon, first, second, third)
    if records is not None:
        packets, _ = _by_address(records)
        assert packets == {(INGRESS, "10.78.1.2"): PACKETS, (INGRESS, "10.78.2.2"): 19}


def test_interfaces_that_go(net, quiet_host, start):
    """What an interface recorded outlives it, and the others go on."""
    stays, goes = _wire_up(net, quiet_host, "p1", 1), _wire_up(net, quiet_host, "p2", 2)
    daemon = start(quiet_host, [{"device": "p*", "role": "nic"}])
    _send(stays, 1)
    _send(goes, 2, 19)
    traffic.settle(quiet_host)
    quiet_host.ip("link", "del", "p2")
    _send(stays, 1, 23)
    records = _finish(daemon, stays)
    if records is not None:
        packets, _ = _by_address(records)
        assert packets == {(INGRESS, "10.78.1.2"): PACKETS + 23, (INGRESS, "10.78.2.2"): 19}


def test_interface_that_goes_and_comes_back(net, quiet_host, start):
    """The same name with another index: both lives are recorded, in full."""
    guest = _wire_up(net, quiet_host, "p1", 1)
    daemon = start(quiet_host, [interface("p1")])
    _send(guest, 1)
    traffic.settle(quiet_host)
    quiet_host.ip("link", "del", "p1")
    again = _wire_up(net, quiet_host, "p1", 1)
    time.sleep(0.1)  # the old one's removal must have been seen before the new one counts as attached
    lab.wait_for(lambda: _is_attached(daemon, "p1"), what="p1 attached again")
    _send(again, 1, 19)
    records = _finish(daemon, again)
    if records is not None:
        packets, _ = _by_address(records)
        assert packets == {(INGRESS, "10.78.1.2"): PACKETS + 19}


def test_interface_moved_to_another_namespace(net, quiet_host, start):
    """From then on it is none of ours."""
    guest, elsewhere = _wire_up(net, quiet_host, "p1", 1), net.namespace("elsewhere")
    daemon = start(quiet_host, [{"device": "p*", "role": "nic"}])
    _send(guest, 1)
    traffic.settle(quiet_host)
    quiet_host.ip("link", "set", "p1", "netns", elsewhere.name)
    lab.wait_for(lambda: isinstance(daemon, Absent) or not _is_attached(daemon, "p1"), what="p1 let go")
    lab.add_address(elsewhere, "p1", "10.78.1.1/24")
    elsewhere.ip("link", "set", "p1", "up")
    lab.know_neighbour(elsewhere, "p1", guest, "eth0", "10.78.1.2")
    _send(guest, 1, 19)
    traffic.settle(elsewhere)
    records = _finish(daemon, guest)
    if records is not None:
        packets, _ = _by_address(records)
        assert packets == {(INGRESS, "10.78.1.2"): PACKETS}


def test_other_namespaces_stay_out(host, net, start):
    """Another namespace's interface has the same name and the same index; its traffic and its firewall are its own."""
    third = net.namespace("third")
    net.link(host.client, "eth1", third, "eth0")
    lab.add_address(host.client, "eth1", "10.79.1.2/24")
    lab.add_address(third, "eth0", "10.79.1.1/24")
    lab.know_neighbour(host.client, "eth1", third, "eth0", "10.79.1.1")
    assert third.ifindex("eth0") == host.host.ifindex("eth0")
    host.client.nft("table inet t { counter dropped {}\n"
                    "chain c { type filter hook input priority 0; udp dport 4343 counter name dropped drop\n}\n}")
    daemon = start(host.host, [interface("eth0")])
    with traffic.UdpSink(third, "10.79.1.1", 4444):
        traffic.udp(host.client, "10.79.1.2", "10.79.1.1", 4444, 19, PAYLOAD)
        traffic.udp(host.host, "10.77.1.1", "10.77.1.2", 4343, PACKETS, PAYLOAD)
        check(daemon, {
            Flow("eth0", EGRESS, "10.77.1.1", "10.77.1.2", 40000, 4343, UDP, ACCEPT):
                (PACKETS, PACKETS * (28 + PAYLOAD)),
        }, host.client, third)
    assert host.client.counter("dropped")[0] == PACKETS


def _fields(records, *names, **match):
    """The distinct values of some fields over the records that match."""
    return {
        tuple(record[name] for name in names)
        for record in records
        if all(record[key.replace("_", "-")] == value for key, value in match.items())
    }


def test_own_addresses(host, start):
    """srcaddr and dstaddr show the primary address of the interface, pkt-* what the packet says."""
    lab.add_address(host.host, "eth0", "10.77.1.50/24", "fd77:1::50/64")
    lab.know_neighbour(host.client, "eth0", host.host, "eth0", "10.77.1.50", "fd77:1::50")
    daemon = start(host.host, [interface("eth0")])
    for a, primary, secondary in (("10.77.1.2", "10.77.1.1", "10.77.1.50"), ("fd77:1::2", "fd77:1::1", "fd77:1::50")):
        for address in (primary, secondary):
            with traffic.UdpSink(host.host, address, 4444), traffic.UdpSink(host.client, a, 4444):
                traffic.udp(host.client, a, address, 4444, 7, PAYLOAD)
                traffic.udp(host.host, address, a, 4444, 5, PAYLOAD)
                traffic.settle(host.host)
    records = _finish(daemon, host.client)
    if records is None:
        return
    names = ("srcaddr", "dstaddr", "pkt-srcaddr", "pkt-dstaddr")
    assert _fields(records, *names, flow_direction=INGRESS) == {
        ("10.77.1.2", "10.77.1.1", "10.77.1.2", "10.77.1.1"),
        ("10.77.1.2", "10.77.1.1", "10.77.1.2", "10.77.1.50"),
        ("fd77:1::2", "fd77:1::1", "fd77:1::2", "fd77:1::1"),
        ("fd77:1::2", "fd77:1::1", "fd77:1::2", "fd77:1::50"),
    }
    assert _fields(records, *names, flow_direction=EGRESS) == {
        ("10.77.1.1", "10.77.1.2", "10.77.1.1", "10.77.1.2"),
        ("10.77.1.1", "10.77.1.2", "10.77.1.50", "10.77.1.2"),
        ("fd77:1::1", "fd77:1::2", "fd77:1::1", "fd77:1::2"),
        ("fd77:1::1", "fd77:1::2", "fd77:1::50", "fd77:1::2"),
    }


def _check_routed_addresses(daemon, router, expected):
    with traffic.UdpSink(router.server, "10.77.2.2", 4444):
        traffic.udp(router.client, "10.77.1.2", "10.77.2.2", 4444, 7, PAYLOAD)
        records = _finish(daemon, router.client, router.server)
    if records is None:
        return
    assert _fields(records, "flow-direction", "srcaddr", "dstaddr", "pkt-srcaddr", "pkt-dstaddr") == expected


def test_middlebox_addresses(router, start):
    """On a router's own interfaces foreign addresses give way to the interface's primary one."""
    daemon = start(router.router, [interface("c0"), interface("s0")])
    _check_routed_addresses(daemon, router, {
        (INGRESS, "10.77.1.2", "10.77.1.1", "10.77.1.2", "10.77.2.2"),
        (EGRESS, "10.77.2.1", "10.77.2.2", "10.77.1.2", "10.77.2.2"),
    })


def test_guest_addresses(router, start):
    """A port's own addresses are its guest's, from the configuration."""
    rules = [interface("c0", "port", addresses=["10.77.1.2"]), interface("s0", "port", addresses=["10.77.2.99", "10.77.2.2"])]
    daemon = start(router.router, rules)
    _check_routed_addresses(daemon, router, {
        (EGRESS, "10.77.1.2", "10.77.2.2", "10.77.1.2", "10.77.2.2"),
        (INGRESS, "10.77.1.2", "10.77.2.99", "10.77.1.2", "10.77.2.2"),
    })


def test_address_changes_while_running(host, start):
    """An interface that gets another address goes on under the same id, with the new address as its own."""
    daemon = start(host.host, [interface("eth0")])

    def shown():
        if isinstance(daemon, Absent):
            return ["10.77.1.60"]
        [status] = daemon.status()
        return status["interfaces"][0]["addresses"]

    traffic.udp(host.client, "10.77.1.2", "10.77.1.1", 4444, 7, PAYLOAD)
    traffic.settle(host.host)
    host.host.ip("address", "del", "10.77.1.1/24", "dev", "eth0")
    lab.add_address(host.host, "eth0", "10.77.1.60/24")
    lab.know_neighbour(host.client, "eth0", host.host, "eth0", "10.77.1.60")
    lab.wait_for(lambda: "10.77.1.60" in shown() and "10.77.1.1" not in shown(), what="the new address")
    with traffic.UdpSink(host.host, "10.77.1.60", 4445):
        traffic.udp(host.client, "10.77.1.2", "10.77.1.60", 4445, 11, PAYLOAD)
        records = _finish(daemon, host.client)
    if records is None:
        return
    assert _fields(records, "dstaddr", "pkt-dstaddr", dstport="4445") == {("10.77.1.60", "10.77.1.60")}
    assert sum(int(record["packets"]) for record in records if record["dstport"] == "4444") == 7
    assert len(_fields(records, "interface-id")) == 1


TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000


def test_device_without_link_header(net, quiet_host, start):
    """A tun device carries bare IP packets."""
    with quiet_host.entered():
        tun = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", b"tun0", IFF_TUN | IFF_NO_PI))
    try:
        quiet_host.ip("link", "set", "tun0", "up")
        lab.add_address(quiet_host, "tun0", "10.80.1.1/24")
        daemon = start(quiet_host, [interface("tun0")])
        packet = bytes(scapy.IP(src="10.80.1.2", dst="10.80.1.1") / scapy.UDP(sport=40000, dport=4444) / bytes(PAYLOAD))
        packet6 = bytes(scapy.IPv6(src="fd80::2", dst="fd80::1") / scapy.UDP(sport=40000, dport=4444) / bytes(PAYLOAD))
        for _ in range(PACKETS):
            os.write(tun, packet)
        for _ in range(11):
            os.write(tun, packet6)
        traffic.udp(quiet_host, "10.80.1.1", "10.80.1.2", 4445, 19, PAYLOAD)
        check(daemon, {
            Flow("tun0", INGRESS, "10.80.1.2", "10.80.1.1", 40000, 4444, UDP, ACCEPT): (PACKETS, PACKETS * 128),
            Flow("tun0", INGRESS, "fd80::2", "fd80::1", 40000, 4444, UDP, ACCEPT): (11, 11 * 148),
            Flow("tun0", EGRESS, "10.80.1.1", "10.80.1.2", 40000, 4445, UDP, ACCEPT): (19, 19 * 128),
        } | _dropped_errors())
    finally:
        os.close(tun)


def _dropped_errors():
    """The host's refusals, which its own output chain drops: for the datagrams to a port nobody holds."""
    size = 28 + 128
    return {Flow("tun0", EGRESS, "10.80.1.1", "10.80.1.2", 0, 0, ICMP, REJECT): (PACKETS, PACKETS * size)}


@pytest.mark.parametrize("role", ["nic", "port"])
def test_loopback_stays_out_of_globs(net, quiet_host, start, role):
    guest = _wire_up(net, quiet_host, "eth0", 1)
    daemon = start(quiet_host, [{"device": "*", "role": role}])
    with traffic.UdpSink(quiet_host, "127.0.0.1", 4444):
        traffic.udp(quiet_host, "127.0.0.1", "127.0.0.1", 4444, 7, PAYLOAD)
    _send(guest, 1)
    records = _finish(daemon, guest)
    if records is not None:
        packets, _ = _by_address(records)
        assert packets == {(INGRESS if role == "nic" else EGRESS, "10.78.1.2"): PACKETS}


CROWD, GROUP = 240, 7  # more than the kernel attaches to while readiness waits for it


def test_crowd(net, quiet_host, start, needs_daemon):
    """The daemon answers while it attaches, is ready in time, attaches to all, and sees them go together."""
    lab.add_crowd(quiet_host, CROWD // 2, GROUP)
    guest = _wire_up(net, quiet_host, "p1", 1)  # the last to be attached
    daemon = start(quiet_host, [{"device": "*", "role": "nic"}], begin=False)
    said = []

    def is_capturing():
        asked = daemon.status_command()
        said.append(asked.stderr)
        return asked.returncode == 0

    daemon.is_capturing = is_capturing
    daemon.start()
    attached = {int(number) for text in said for number in re.findall(rf": (\d+) of {CROWD + 1} interfaces attached", text)}
    assert len(attached) > 3

    def attached_now():
        return [one["attached"] for one in daemon.status()[0]["interfaces"]]

    lab.wait_for(lambda: all(attached_now()), timeout=30, what="all attached")
    assert len(attached_now()) == CROWD + 1
    _send(guest, 1)
    drains = daemon.status()[0]["capture"]["drains"]
    quiet_host.ip("link", "del", "group", str(GROUP))
    lab.wait_for(lambda: len(attached_now()) == 1, timeout=30, what="all but one gone")
    assert daemon.status()[0]["capture"]["drains"] < drains + CROWD / 2
    _send(guest, 1, 19)
    packets, _ = _by_address(_finish(daemon, guest))
    assert packets == {(INGRESS, "10.78.1.2"): PACKETS + 19}


def test_identity_of_records(host, start):
    """Account, region, subnet and zone come from the configuration; the subnet is found by the address."""
    subnets = [
        {"subnet-id": "subnet-0a", "vpc-id": "vpc-0a", "cidr": "10.77.0.0/16", "az-id": "lab-az1"},
        {"subnet-id": "subnet-0b", "vpc-id": "vpc-0a", "cidr": "10.77.1.0/24", "az-id": "lab-az2"},
    ]
    daemon = start(host.host, [interface("eth0", subnet_id="by-address")], topology={"subnets": subnets})
    traffic.udp(host.client, "10.77.1.2", "10.77.1.1", 4444, 7, PAYLOAD)
    records = _finish(daemon, host.client)
    if records is None:
        return
    names = ("account-id", "region", "subnet-id", "vpc-id", "az-id", "type", "version")
    assert _fields(records, *names) == {("123456789012", "eu-central-1", "subnet-0b", "vpc-0a", "lab-az2", "IPv4", "11")}


def test_indexes_with_the_same_remainder(net, quiet_host, start, needs_daemon):
    """Their accounts want the same slot of the kernel's: one of them is kept elsewhere, and both close."""
    names = [f"p{number}" for number in range(3)]
    guests = [_wire_up(net, quiet_host, name, number, 1000 + 64 * number) for number, name in enumerate(names)]
    assert [quiet_host.ifindex(name) for name in names] == [1000, 1064, 1128]
    daemon = start(quiet_host, [interface(name) for name in names])
    for number, guest in enumerate(guests):
        _send(guest, number, PACKETS + number)
    packets, _ = _by_address(_finish(daemon, *guests))
    assert packets == {(INGRESS, f"10.78.{number}.2"): PACKETS + number for number in range(3)}
    counted = {interface(name)["interface-id"] for name in names}
    assert not counted & {record["interface-id"] for record in daemon.records("NODATA")}
