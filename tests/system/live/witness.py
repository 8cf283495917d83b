# SPDX-License-Identifier: Apache-2.0
"""What really happened, told by sources that owe nothing to the daemon: a packet socket on the far end of the
wire, which splits offloaded super-frames by the kernel's own description of them, and the kernel's discards."""

import collections
import ctypes
import ipaddress
import os
import re
import socket
import struct
import threading

from . import bpf, lab

SOL_PACKET = 263
PACKET_STATISTICS = 6
PACKET_VNET_HDR = 15
SO_ATTACH_FILTER = 26
SO_RCVBUFFORCE = 33
ETH_P_ALL = 3
OUTGOING = 4
GSO_TCP4, GSO_UDP, GSO_TCP6, GSO_UDP_L4 = 1, 3, 4, 5
SNAP_LENGTH = 256

Tuple = collections.namedtuple("Tuple", "source destination source_port destination_port protocol")


def _upper_layer(ip, fragment=False):
    """Protocol and offset of the transport header of an IPv6 packet; offset None in a later fragment."""
    protocol, offset = ip[6], 40
    while protocol in (0, 43, 44, 60):
        following = ip[offset]
        if protocol == 44:
            if struct.unpack_from("!H", ip, offset + 2)[0] >> 3:
                return following, None
            offset += 8
        else:
            offset += (ip[offset + 1] + 1) * 8
        protocol = following
    return protocol, offset


def dissect(frame, length):
    """Tuple, IP length and header length of a well-formed Ethernet frame; None when it is no IP."""
    kind, offset = struct.unpack_from("!H", frame, 12)[0], 14
    while kind in (0x8100, 0x88A8):
        kind, offset = struct.unpack_from("!H", frame, offset + 2)[0], offset + 4
    ip = frame[offset:]
    if kind == 0x0800:
        total, header = struct.unpack_from("!H", ip, 2)[0], (ip[0] & 15) * 4
        protocol = ip[9]
        transport = None if struct.unpack_from("!H", ip, 6)[0] & 0x1FFF else header
        source, destination = ip[12:16], ip[16:20]
    elif kind == 0x86DD:
        payload = struct.unpack_from("!H", ip, 4)[0]
        total = payload + 40 if payload else 0
        protocol, transport = _upper_layer(ip)
        source, destination = ip[8:24], ip[24:40]
    else:
        return None
    ports, header = (0, 0), transport or 0
    if transport is not None and protocol in (6, 17, 132):
        ports = struct.unpack_from("!HH", ip, transport)
        header += (ip[transport + 12] >> 4) * 4 if protocol == 6 else 8
    text = (str(ipaddress.ip_address(bytes(address))) for address in (source, destination))
    return Tuple(*text, *ports, protocol), total or length - offset, header


def attach_filter(target, keep):
    """A classic filter that keeps the first `keep` bytes of every packet, or with 0 discards them all."""
    instruction = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, keep))
    program = struct.pack("HxxxxxxP", 1, ctypes.addressof(instruction))
    target.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


class Wire:
    """Counts, on one device, the IP packets as they are on a wire: {(outgoing, Tuple): [packets, bytes]}."""

    def __init__(self, namespace, device):
        with namespace.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 29)
        self._socket.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        attach_filter(self._socket, SNAP_LENGTH)
        with namespace.entered():
            self._socket.bind((device, ETH_P_ALL))
        self._socket.settimeout(0.05)
        self.counts = collections.defaultdict(lambda: [0, 0])
        self._ending, self._failed = False, None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        while True:
            try:
                data, address = self._socket.recvfrom(SNAP_LENGTH + 10, socket.MSG_TRUNC)
            except TimeoutError:
                if self._ending:
                    return
                continue
            except OSError as error:  # the device went away
                self._failed = error
                return
            self._count(data, address[2] == OUTGOING)

    def _count(self, data, outgoing):
        _, kind, header_length, segment, _, _ = struct.unpack_from("<BBHHHH", data)
        seen = dissect(memoryview(data)[10:], 0)
        if seen is None:
            return
        flow, length, header = seen
        kind &= 0x7F
        packets = 1
        if kind and segment and length > header + segment:
            packets = -(-(length - header) // segment)
            length += (packets - 1) * header
        counts = self.counts[outgoing, flow]
        counts[0] += packets
        counts[1] += length

    def close(self):
        """Reads what is left; the counts are final. A frame that the socket could not hold makes them worthless."""
        self._ending = True
        self._thread.join(10)
        assert self._failed is None, f"the witness was cut off: {self._failed}"
        _, lost = struct.unpack("II", self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
        self._socket.close()
        assert lost == 0, f"the witness missed {lost} frames"
        return {key: tuple(value) for key, value in self.counts.items()}


class Discards:
    """The kernel's own discards in one namespace, by reason, from the moment this is made."""

    _names = None

    def __init__(self, programs, namespace):
        self._programs = programs
        self._netns = os.stat(namespace.path).st_ino
        self._before = self._all()

    def _all(self):
        items = self._programs.hash_items("discards", "II", "Q")
        return {reason: count for (netns, reason), (count,) in items.items() if netns == self._netns}

    @classmethod
    def _name(cls, reason):
        if cls._names is None:
            listed = lab.run("bpftool", "btf", "dump", "file", "/sys/kernel/btf/vmlinux", "format", "raw", timeout=60)
            found = re.findall(r"'SKB_DROP_REASON_(\w+)' val=(\d+)", listed)
            cls._names = {int(number): name for name, number in reversed(found)}
        return cls._names.get(reason, str(reason))

    def counts(self):
        now = self._all()
        rise = {reason: count - self._before.get(reason, 0) for reason, count in now.items()}
        return {self._name(reason): count for reason, count in rise.items() if count}


def load_discard_witness(directory):
    programs = bpf.Programs(bpf.compile_program("witness", directory))
    programs.attach("witness_discard")
    return programs
