# SPDX-License-Identifier: Apache-2.0
"""Networks of namespaces and veth pairs, made for one test and removed after it.

The calling thread enters a namespace with setns(2), so sockets, sysctls and child processes are made there
without a process of their own; a socket stays in the namespace it was made in.
"""

import contextlib
import ctypes
import ipaddress
import itertools
import json
import os
import re
import subprocess
import time

CLONE_NEWNET = 0x40000000
NETNS = "/run/netns"
_PREFIX = "fl"
_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count()


def run(*command, check=True, stdin=None, timeout=20):
    """One command in the current namespace; its standard output."""
    result = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout)
    if check and result.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit {result.returncode}: {result.stderr.strip()}")
    return result.stdout


def wait_for(question, timeout=5.0, what="condition"):
    """Polls until the question is answered with something true, and returns that."""
    deadline = time.monotonic() + timeout
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} not reached in {timeout} s")
        time.sleep(0.01)


def mount_bpf_file_system():
    """Before tc(8) does it by itself, in a way that shuts everybody but root out."""
    with open("/proc/mounts", encoding="ascii") as file:
        if not any(line.split()[1:3] == ["/sys/fs/bpf", "bpf"] for line in file):
            run("mount", "-t", "bpf", "bpf", "/sys/fs/bpf")


def set_namespace(path):
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.setns(descriptor, CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)
    finally:
        os.close(descriptor)


class Namespace:
    """A network namespace under /run/netns, with the commands a test needs inside it."""

    def __init__(self, role):
        self.name = f"{_PREFIX}{os.getpid()}-{next(_numbers)}-{role}"
        run("ip", "netns", "add", self.name)
        self.ip("link", "set", "lo", "up")

    @property
    def path(self):
        return f"{NETNS}/{self.name}"

    @contextlib.contextmanager
    def entered(self):
        """The calling thread is in this namespace for the length of the block."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            set_namespace(self.path)
            yield self
        finally:
            if _libc.setns(home, CLONE_NEWNET) != 0:
                os._exit(70)  # a thread lost in another namespace would falsify every later test
            os.close(home)

    def run(self, *command, **options):
        with self.entered():
            return run(*command, **options)

    def start(self, *command, **options):
        """A child process of this namespace; the caller ends it."""
        with self.entered():
            return subprocess.Popen(command, **options)

    def ip(self, *arguments, **options):
        return self.run("ip", *arguments, **options)

    def tc(self, *arguments, **options):
        return self.run("tc", *arguments, **options)

    def nft(self, ruleset):
        self.run("nft", "-f", "-", stdin=ruleset)

    def counter(self, name, table="t", family="inet"):
        """Packets and bytes of a named nft counter."""
        listed = json.loads(self.run("nft", "-j", "list", "counter", family, table, name))
        counter = next(item["counter"] for item in listed["nftables"] if "counter" in item)
        return counter["packets"], counter["bytes"]

    def sysctl(self, key, value=None):
        path = "/proc/sys/net/" + key
        with self.entered():
            if value is None:
                with open(path, encoding="ascii") as file:
                    return file.read().strip()
            with open(path, "w", encoding="ascii") as file:
                file.write(str(value))
        return None

    def statistic(self, device, name):
        """One of the kernel's own interface counters: rx_packets, tx_bytes, ..."""
        link = json.loads(self.ip("-j", "-s", "link", "show", "dev", device))[0]
        direction, what = name.split("_", 1)
        return link["stats64"][direction][what]

    def snmp(self, group, name):
        """A counter of /proc/net/snmp, snmp6 (group Ip6, Udp6, ...) or netstat (group TcpExt, IpExt)."""
        with self.entered():
            if group.endswith("6"):
                with open("/proc/thread-self/net/snmp6", encoding="ascii") as file:
                    values = dict(line.split() for line in file)
                return int(values[group + name])
            lines = []
            for table in ("snmp", "netstat"):
                with open(f"/proc/thread-self/net/{table}", encoding="ascii") as file:
                    lines += file.read().splitlines()
        for names, values in zip(lines[::2], lines[1::2]):
            if names.startswith(group + ":"):
                return int(dict(zip(names.split(), values.split()))[name])
        raise KeyError(group)

    def segments_sent(self):
        """TCP segments as they would be on a wire; the kernel counts repeated ones apart."""
        return self.snmp("Tcp", "OutSegs") + self.snmp("Tcp", "RetransSegs")

    def ifindex(self, device):
        return json.loads(self.ip("-j", "link", "show", "dev", device))[0]["ifindex"]

    def mac(self, device):
        return json.loads(self.ip("-j", "link", "show", "dev", device))[0]["address"]

    def remove(self):
        run("ip", "netns", "del", self.name, check=False)


def _quiet(namespace):
    """No traffic of the kernel's own: no router solicitations, no duplicate address detection, no limits on errors."""
    for family, scopes in (("ipv6", ("all", "default")), ("ipv4", ("all", "default"))):
        for scope in scopes:
            if family == "ipv6":
                namespace.sysctl(f"ipv6/conf/{scope}/accept_dad", 0)
                namespace.sysctl(f"ipv6/conf/{scope}/router_solicitations", 0)
                namespace.sysctl(f"ipv6/conf/{scope}/addr_gen_mode", 1)
                namespace.sysctl(f"ipv6/conf/{scope}/mldv2_unsolicited_report_interval", 1)
            else:
                namespace.sysctl(f"ipv4/conf/{scope}/rp_filter", 0)
    namespace.sysctl("ipv4/icmp_ratelimit", 0)
    namespace.sysctl("ipv4/icmp_msgs_per_sec", 100000)
    namespace.sysctl("ipv4/icmp_msgs_burst", 100000)
    namespace.sysctl("ipv6/icmp/ratelimit", 0)


class Lab:
    """Makes namespaces and links, and removes them all when closed."""

    def __init__(self):
        self.namespaces = []

    def namespace(self, role):
        namespace = Namespace(role)
        self.namespaces.append(namespace)
        _quiet(namespace)
        return namespace

    def link(self, left, left_device, right, right_device, left_index=None):
        """A veth pair between two namespaces, up on both sides."""
        index = ["index", str(left_index)] if left_index else []
        left.ip("link", "add", left_device, *index, "type", "veth", "peer", "name", right_device, "netns", right.name)
        left.ip("link", "set", left_device, "up")
        right.ip("link", "set", right_device, "up")

    def close(self):
        for namespace in reversed(self.namespaces):
            namespace.remove()
        self.namespaces.clear()


def add_address(namespace, device, *addresses):
    for address in addresses:
        version = ipaddress.ip_interface(address).version
        options = ["nodad"] if version == 6 else []
        namespace.ip("address", "add", address, "dev", device, *options)


def add_crowd(namespace, pairs, group):
    """Interfaces d0, e0, d1, … that nothing passes through, which `ip link del group` removes together."""
    lines = [f"link add d{number} group {group} type veth peer name e{number}\n" for number in range(pairs)]
    namespace.ip("-batch", "-", stdin="".join(lines))


def know_neighbour(namespace, device, neighbour, neighbour_device, *addresses):
    """Static neighbour entries, so that no ARP or neighbour discovery runs between the two."""
    mac = neighbour.mac(neighbour_device)
    for address in addresses:
        namespace.ip("neighbour", "replace", address, "lladdr", mac, "dev", device, "nud", "permanent")


class Ends:
    """Addresses of one family between the ends of a lab: `a` sends, `b` is asked."""

    def __init__(self, version, a, b):
        self.version, self.a, self.b = version, a, b
        self.header = 20 if version == 4 else 40

    def udp_bytes(self, packets, payload):
        return packets * (self.header + 8 + payload)


class HostLab:
    """A client wired to a host; the daemon runs in the host, whose eth0 is the interface under test."""

    FOUR = Ends(4, "10.77.1.2", "10.77.1.1")
    SIX = Ends(6, "fd77:1::2", "fd77:1::1")

    def __init__(self, lab):
        self.client, self.host = lab.namespace("client"), lab.namespace("host")
        lab.link(self.client, "eth0", self.host, "eth0")
        add_address(self.client, "eth0", "10.77.1.2/24", "fd77:1::2/64")
        add_address(self.host, "eth0", "10.77.1.1/24", "fd77:1::1/64")
        know_neighbour(self.client, "eth0", self.host, "eth0", "10.77.1.1", "fd77:1::1")
        know_neighbour(self.host, "eth0", self.client, "eth0", "10.77.1.2", "fd77:1::2")

    def ends(self, version):
        return self.FOUR if version == 4 else self.SIX


class RouterLab:
    """A client and a server on either side of a router; the daemon runs in the router (devices c0 and s0)."""

    FOUR = Ends(4, "10.77.1.2", "10.77.2.2")
    SIX = Ends(6, "fd77:1::2", "fd77:2::2")

    def __init__(self, lab):
        self.client, self.router, self.server = (lab.namespace(role) for role in ("client", "router", "server"))
        lab.link(self.client, "eth0", self.router, "c0")
        lab.link(self.server, "eth0", self.router, "s0")
        self.router.sysctl("ipv4/conf/all/forwarding", 1)
        self.router.sysctl("ipv6/conf/all/forwarding", 1)
        for end, port, net in ((self.client, "c0", 1), (self.server, "s0", 2)):
            add_address(end, "eth0", f"10.77.{net}.2/24", f"fd77:{net}::2/64")
            add_address(self.router, port, f"10.77.{net}.1/24", f"fd77:{net}::1/64")
            know_neighbour(end, "eth0", self.router, port, f"10.77.{net}.1", f"fd77:{net}::1")
            know_neighbour(self.router, port, end, "eth0", f"10.77.{net}.2", f"fd77:{net}::2")
            end.ip("route", "add", "default", "via", f"10.77.{net}.1")
            end.ip("route", "add", "default", "via", f"fd77:{net}::1")

    def ends(self, version):
        return self.FOUR if version == 4 else self.SIX


class BridgeLab:
    """Guests a and b on a bridge of the host; the daemon runs in the host (ports a0 and b0)."""

    FOUR = Ends(4, "10.77.3.2", "10.77.3.3")
    SIX = Ends(6, "fd77:3::2", "fd77:3::3")

    def __init__(self, lab):
        self.a, self.b, self.host = lab.namespace("a"), lab.namespace("b"), lab.namespace("host")
        self.host.ip("link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
        self.host.ip("link", "set", "br0", "up")
        for guest, port in ((self.a, "a0"), (self.b, "b0")):
            lab.link(guest, "eth0", self.host, port)
            self.host.ip("link", "set", port, "master", "br0")
        add_address(self.a, "eth0", "10.77.3.2/24", "fd77:3::2/64")
        add_address(self.b, "eth0", "10.77.3.3/24", "fd77:3::3/64")
        know_neighbour(self.a, "eth0", self.b, "eth0", "10.77.3.3", "fd77:3::3")
        know_neighbour(self.b, "eth0", self.a, "eth0", "10.77.3.2", "fd77:3::2")

    def ends(self, version):
        return self.FOUR if version == 4 else self.SIX


def sweep():
    """Removes what test runs left behind whose process is gone."""
    if not os.path.isdir(NETNS):
        return
    for name in os.listdir(NETNS):
        match = re.fullmatch(_PREFIX + r"(\d+)-\d+-\w+", name)
        if match and not os.path.exists(f"/proc/{match[1]}"):
            run("ip", "netns", "del", name, check=False)
