# SPDX-License-Identifier: Apache-2.0
"""Known traffic: every sender says how many packets and bytes it puts on the wire, nothing is left to a timer."""

import ctypes
import fcntl
import socket
import struct
import threading
import time

UDP, TCP, ICMP, ICMPV6 = 17, 6, 1, 58
UDP_SEGMENT = 103
SIOCETHTOOL, ETHTOOL_SGRO = 0x8946, 0x2C


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def udp(namespace, source, destination, port, count, payload, source_port=40000):
    """Sends `count` datagrams. A firewall's refusal of an outgoing packet (EPERM) is part of the scene."""
    with namespace.entered():
        with socket.socket(family(source), socket.SOCK_DGRAM) as sender:
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sender.bind((source, source_port))
            data = bytes(payload)
            for _ in range(count):
                try:
                    sender.sendto(data, (destination, port))
                except PermissionError:
                    pass


def udp_segmented(namespace, source, destination, port, sends, payload, segment, source_port=40000):
    """Each send hands the kernel one buffer that it cuts into datagrams of `segment` bytes, if possible late."""
    with namespace.entered():
        with socket.socket(family(source), socket.SOCK_DGRAM) as sender:
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sender.bind((source, source_port))
            sender.setsockopt(UDP, UDP_SEGMENT, segment)
            for _ in range(sends):
                sender.sendto(bytes(payload), (destination, port))


class UdpSink:
    """A bound UDP port that nobody reads; large enough for what the tests send."""

    def __init__(self, namespace, address, port, buffer=1 << 22):
        with namespace.entered():
            self.socket = socket.socket(family(address), socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.bind((address, port))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


class TcpServer:
    """Accepts connections one at a time and reads each to its end; `answer` bytes are sent first when asked for.
    A connection that is still open when the server goes is reset: one packet, never sent again."""

    def __init__(self, namespace, address, port, answer=0):
        with namespace.entered():
            self._listener = socket.socket(family(address), socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((address, port))
        self._listener.listen(64)
        self._answer = bytes(answer)
        self._current = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                self._current = connection
                connection.settimeout(10)
                try:
                    if self._answer:
                        connection.sendall(self._answer)
                    while connection.recv(1 << 16):
                        pass
                except OSError:
                    pass
                self._current = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        connection = self._current
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.shutdown(socket.SHUT_RD)
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


def tcp_connect(namespace, source, destination, port, source_port=0, timeout=5.0):
    with namespace.entered():
        client = socket.socket(family(source), socket.SOCK_STREAM)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    client.settimeout(timeout)
    try:
        client.bind((source, source_port))
        client.connect((destination, port))
    except OSError:
        client.close()
        raise
    return client


def reset(client):
    """Ends a connection with a reset, which is never sent again."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def tcp_exchange(client, payload=b""):
    """Sends, ends the client's side first, and waits for the server's end."""
    if payload:
        client.sendall(payload)
    client.shutdown(socket.SHUT_WR)
    got = 0
    while data := client.recv(1 << 16):
        got += len(data)
    client.close()
    return got


def ping(namespace, destination, count, payload=56, wait=1):
    """Echo requests of 8 + payload bytes behind the IP header; unanswered ones are no error."""
    return namespace.run(
        "ping", "-n", "-q", "-c", str(count), "-s", str(payload), "-i", "0.01", "-W", str(wait), destination,
        check=False, timeout=30,
    )


class Frames:
    """A packet socket that puts ready-made frames on a device."""

    def __init__(self, namespace, device):
        with namespace.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self._socket.bind((device, 0))

    def send(self, frame, count=1):
        for _ in range(count):
            self._socket.send(frame)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()


def receive_offload(namespace, device):
    """Generic receive offload on: a veth then takes its packets in batches (NAPI), as network cards do."""
    with namespace.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        command = ctypes.create_string_buffer(struct.pack("II", ETHTOOL_SGRO, 1))
        request = struct.pack("16sQ16x", device.encode(), ctypes.addressof(command))
        fcntl.ioctl(control, SIOCETHTOOL, request)


def settle(*namespaces, quiet=0.03):
    """Returns when no device of these namespaces has moved a packet for a moment."""
    before, still_since = None, time.monotonic()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        now = [_device_counts(namespace) for namespace in namespaces]
        if now != before:
            before, still_since = now, time.monotonic()
        elif time.monotonic() - still_since >= quiet:
            return
        time.sleep(0.005)
    raise TimeoutError("the traffic does not come to rest")


def _device_counts(namespace):
    with namespace.entered():
        with open("/proc/thread-self/net/dev", encoding="ascii") as file:
            return file.read()


def tcp_segment_raw(source_port, destination_port, sequence, acknowledged, flags, payload=b""):
    """A TCP header without checksum, for packets that must look like a connection's but are not of it."""
    return struct.pack("!HHIIBBHHH", source_port, destination_port, sequence, acknowledged, 5 << 4, flags, 512, 0, 0) + payload
