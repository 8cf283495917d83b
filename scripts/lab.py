#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A lab of three network namespaces: client, router with nftables, server. flowlogd records the router's two
ports; known traffic crosses; the records are shown next to what happened. Everything is removed at the end, also
after a failure or Ctrl-C. The exit status is 0 when every expected record is there.

usage: lab.py [BUILD-FOLDER]
"""

import contextlib
import ctypes
import gzip
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parent.parent
CLIENT, ROUTER, SERVER = (f"flowlog-{os.getpid()}-{role}" for role in ("client", "router", "server"))
READY_S = 20
STOP_S = 15

CLIENT_4, CLIENT_6 = "10.77.1.10", "fd77:1::10"
SERVER_4, SERVER_6 = "10.77.2.10", "fd77:2::10"
CLIENT_PORT, SERVER_PORT = "eni-0000000000000c11e", "eni-00000000000005e7e"
SIDES = {CLIENT_PORT: "client", SERVER_PORT: "server"}

LINKS = (
    # namespace, the router's device, its addresses, the far end's addresses
    (CLIENT, "to-client", ("10.77.1.1/24", "fd77:1::1/64"), (CLIENT_4 + "/24", CLIENT_6 + "/64")),
    (SERVER, "to-server", ("10.77.2.1/24", "fd77:2::1/64"), (SERVER_4 + "/24", SERVER_6 + "/64")),
)

# The echo-reply rule knows no connections, as a network ACL does not: the request passes, the answer does not.
RULES = f"""
table inet lab {{
    chain forward {{
        type filter hook forward priority filter; policy accept;
        tcp dport 3389 drop
        ip saddr {SERVER_4} icmp type echo-reply drop
    }}
}}
"""

CONFIG = """
account: "123456789012"
region: lab
topology:
  interfaces:
    - {{device: to-client, role: port, interface-id: {client}, subnet-id: subnet-c, vpc-id: vpc-lab,
       addresses: [{client_4}, "{client_6}"]}}
    - {{device: to-server, role: port, interface-id: {server}, subnet-id: subnet-5, vpc-id: vpc-lab,
       addresses: [{server_4}, "{server_6}"]}}
flow-logs:
  - {{name: lab, resource: all, interval: 60, format: all, destination: "file://{out}", file-format: json}}
"""


class Lab(NamedTuple):
    """What the parts of a run share."""

    build: pathlib.Path
    folder: pathlib.Path


class Flow(NamedTuple):
    """The part of a record that says which flow it is, and what became of it."""

    interface: str
    direction: str
    source: str
    source_port: int  # 0 stands for the client's ephemeral port
    destination: str
    destination_port: int
    protocol: int
    action: str


class Event(NamedTuple):
    """Something that was done in the lab, and the records that it must leave, with packets (None: any)."""

    sentence: str
    flows: dict


class Failure(Exception):
    """The lab did not do what it should; the text is for a person."""


def run(*command, check=True, stdin=None):
    done = subprocess.run(command, input=stdin, text=True, capture_output=True, check=False)
    if check and done.returncode:
        raise Failure(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()}")
    return done


@contextlib.contextmanager
def inside(namespace):
    """This process in another network namespace; sockets made there stay there."""
    libc = ctypes.CDLL(None, use_errno=True)
    clone_newnet = 0x40000000
    with open("/proc/self/ns/net", "rb") as home, open(f"/run/netns/{namespace}", "rb") as there:
        if libc.setns(there.fileno(), clone_newnet):
            raise Failure(f"{namespace}: cannot enter: {os.strerror(ctypes.get_errno())}")
        try:
            yield
        finally:
            libc.setns(home.fileno(), clone_newnet)


def build_lab():
    for namespace in (ROUTER, CLIENT, SERVER):
        run("ip", "netns", "add", namespace)
        run("ip", "-n", namespace, "link", "set", "lo", "up")
    for namespace, device, router_addresses, addresses in LINKS:
        run("ip", "-n", ROUTER, "link", "add", device, "type", "veth", "peer", "name", "eth0", "netns", namespace)
        for where, name, given in ((ROUTER, device, router_addresses), (namespace, "eth0", addresses)):
            for address in given:
                run("ip", "-n", where, "address", "add", address, "dev", name, *(["nodad"] if ":" in address else []))
            run("ip", "-n", where, "link", "set", name, "up")
        for address in router_addresses:
            run("ip", "-n", namespace, "route", "add", "default", "via", address.partition("/")[0])
    with inside(ROUTER):
        for setting in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
            pathlib.Path("/proc/sys/net", setting).write_text("1\n", encoding="ascii")
    run("ip", "netns", "exec", ROUTER, "nft", "-f", "-", stdin=RULES)


def remove_lab():
    for namespace in (CLIENT, SERVER, ROUTER):
        run("ip", "netns", "delete", namespace, check=False)


@contextlib.contextmanager
def daemon(lab):
    """flowlogd in the router; on leaving, it has ended and every record is in its file."""
    config, log = lab.folder / "flowlog.yaml", lab.folder / "flowlogd.log"
    config.write_text(
        CONFIG.format(client=CLIENT_PORT, server=SERVER_PORT, client_4=CLIENT_4, client_6=CLIENT_6,
                      server_4=SERVER_4, server_6=SERVER_6, out=lab.folder / "out"), encoding="utf-8")
    command = ("nsenter", f"--net=/run/netns/{ROUTER}", str(lab.build / "flowlogd"),
               "--config", str(config), "--state", str(lab.folder / "state"))
    with open(log, "w", encoding="utf-8") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                   start_new_session=True)
    try:
        wait_until_ready(lab, process, log)
        yield
    finally:
        process.terminate()
        try:
            status = process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            status = f"none: it was still running after {STOP_S} s"
    if status:
        raise Failure(f"flowlogd: exit status {status}\n{log.read_text(encoding='utf-8')}")


def wait_until_ready(lab, process, log):
    deadline = time.monotonic() + READY_S
    while run(str(lab.build / "flowlog"), "status", "--state", str(lab.folder / "state"), check=False).returncode:
        if process.poll() is not None or time.monotonic() > deadline:
            raise Failure(f"flowlogd does not capture:\n{log.read_text(encoding='utf-8')}")
        time.sleep(0.1)


def accepted_ssh():
    """A connection to port 22, opened, used and closed. The kernel shakes hands; no threads are needed."""
    with inside(SERVER):
        listener = socket.create_server((SERVER_4, 22))
    with inside(CLIENT):
        client = socket.socket()
    with listener, client:
        client.settimeout(5)
        client.connect((SERVER_4, 22))
        server, _ = listener.accept()
        with server:
            server.sendall(b"SSH-2.0-lab\r\n")
            client.recv(100)
            client.sendall(b"SSH-2.0-client\r\n")
            server.recv(100)
            client.shutdown(socket.SHUT_WR)
            server.recv(100)
        client.recv(100)
    return Event(
        "The client opened an SSH-like connection to the server, exchanged greetings and closed it: accepted.",
        both_ways(6, 22, CLIENT_4, SERVER_4, None, "ACCEPT"))


def rejected_rdp():
    with inside(CLIENT):
        client = socket.socket()
    with client:
        client.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            client.connect((SERVER_4, 3389))
            raise Failure("the RDP port answered, although the router drops it")
    return Event(
        "The client tried RDP (port 3389), which the router drops: its one SYN is rejected on the way in and on the"
        " way it was bound for.",
        crossing(6, (CLIENT_4, 0), (SERVER_4, 3389), 1, "REJECT"))


def ping_without_answer():
    if run("ip", "netns", "exec", CLIENT, "ping", "-q", "-c", "3", "-i", "0.2", "-W", "1", SERVER_4,
           check=False).returncode == 0:
        raise Failure("the ping was answered, although the router drops the answers")
    return Event(
        "The client pinged the server 3 times. A rule without connection tracking drops the answers: requests"
        " accepted, answers rejected.",
        crossing(1, (CLIENT_4, 0), (SERVER_4, 0), 3, "ACCEPT") | crossing(1, (SERVER_4, 0), (CLIENT_4, 0), 3, "REJECT"))


def ipv6_exchange():
    with inside(SERVER):
        server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        server.bind((SERVER_6, 53))
    with inside(CLIENT):
        client = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    with server, client:
        for end in (server, client):
            end.settimeout(5)
        for number in range(7):
            client.sendto(b"question %d" % number, (SERVER_6, 53))
            question, whence = server.recvfrom(100)
            server.sendto(b"answer to " + question, whence)
            client.recvfrom(100)
    return Event(
        "The client asked 7 questions over IPv6 (UDP port 53) and got 7 answers: accepted.",
        both_ways(17, 53, CLIENT_6, SERVER_6, 7, "ACCEPT"))


def crossing(protocol, source, destination, packets, action):
    """The two records of one direction: on the port where it arrived and on the port it was bound for."""
    arrives, leaves = (CLIENT_PORT, SERVER_PORT) if source[0] in (CLIENT_4, CLIENT_6) else (SERVER_PORT, CLIENT_PORT)
    return {
        Flow(arrives, "egress", *source, *destination, protocol, action): packets,
        Flow(leaves, "ingress", *source, *destination, protocol, action): packets,
    }


def both_ways(protocol, port, client, server, packets, action):
    return (crossing(protocol, (client, 0), (server, port), packets, action)
            | crossing(protocol, (server, port), (client, 0), packets, action))


def read_records(folder):
    for path in sorted(folder.rglob("*.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def flow_of(record):
    """A flow of the lab's own, with the client's ephemeral port left out."""
    source, destination = record["pkt-srcaddr"], record["pkt-dstaddr"]
    ports = record["srcport"], record["dstport"]
    if record["protocol"] != 1:
        ports = (0, ports[1]) if source in (CLIENT_4, CLIENT_6) else (ports[0], 0)
    return Flow(record["interface-id"], record["flow-direction"], source, ports[0], destination, ports[1],
                record["protocol"], record["action"])


def totals(records):
    """Packets, bytes and flags of each flow, over windows; and how many records were of something else."""
    sums, others = {}, 0
    hosts = {CLIENT_4, CLIENT_6, SERVER_4, SERVER_6}
    for record in records:
        if record["log-status"] != "OK" or not {record["pkt-srcaddr"], record["pkt-dstaddr"]} <= hosts:
            others += 1
            continue
        total = sums.setdefault(flow_of(record), {"packets": 0, "bytes": 0, "tcp-flags": 0})
        total["packets"] += record["packets"]
        total["bytes"] += record["bytes"]
        total["tcp-flags"] |= record["tcp-flags"]
    return sums, others


def wrong_with(flow, packets, total):
    """What is wrong with the totals of an expected flow, or None."""
    if total is None:
        return "missing"
    if packets is not None and total["packets"] != packets:
        return f"{packets} packets were sent"
    if flow.protocol == 6 and flow.action == "ACCEPT":
        # SYN and FIN from who opened; SYN-ACK counts as SYN and ACK (18), with FIN 19, from who answered.
        flags = 19 if flow.source_port else 3
        if total["tcp-flags"] != flags:
            return f"tcp-flags should be {flags}"
    return None


def show(events, sums):
    """Prints the events with their records; returns the number of mistakes."""
    mistakes = 0
    row = "  {:<9} {:<9} {:<11} {:>5} {:<11} {:>5} {:>5} {:>7} {:>6} {:>5}  {}"
    names = ("interface", "direction", "source", "port", "destination", "port", "proto", "packets", "bytes", "flags", "action")
    for event in events:
        print(f"\n{event.sentence}\n" + row.format(*names))
        for flow, packets in event.flows.items():
            total = sums.pop(flow, None)
            values = total or dict.fromkeys(("packets", "bytes", "tcp-flags"), "-")
            wrong = wrong_with(flow, packets, total)
            mistakes += wrong is not None
            nameless = "-" if flow.protocol == 1 else "any"
            print(row.format(SIDES[flow.interface], flow.direction, flow.source, flow.source_port or nameless,
                             flow.destination, flow.destination_port or nameless, flow.protocol, values["packets"],
                             values["bytes"], values["tcp-flags"], flow.action)
                  + (f"   WRONG: {wrong}" if wrong else ""))
    for flow in sums:
        print(f"\nWRONG: nobody did this: {flow}")
    return mistakes + len(sums)


def main():
    build = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build").resolve()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    lab = Lab(build, pathlib.Path(tempfile.mkdtemp(prefix="flowlog-lab-")))
    try:
        build_lab()
        print("client 10.77.1.10 --- router with nftables --- server 10.77.2.10; flowlogd records the router's ports")
        with daemon(lab):
            events = [accepted_ssh(), rejected_rdp(), ping_without_answer(), ipv6_exchange()]
        sums, others = totals(read_records(lab.folder / "out"))
        mistakes = show(events, sums)
        print(f"\n{others} more records: neighbour discovery and the like, and windows without data.")
        print("Every record is as expected." if not mistakes else f"{mistakes} records are not as expected.")
        return 1 if mistakes else 0
    except Failure as failure:
        print(f"lab: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        remove_lab()
        shutil.rmtree(lab.folder)


if __name__ == "__main__":
    sys.exit(main())
