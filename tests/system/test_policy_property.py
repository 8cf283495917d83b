# SPDX-License-Identifier: Apache-2.0
"""The policy engine against a slow evaluation that was made apart from it, on random documents and packets.

FLOWLOG_POLICY_CASES sets how many packets (a million take eight minutes, most of them Python's); another
FLOWLOG_POLICY_SEED makes others. What differs is printed with its documents.
"""

import ipaddress
import json
import os
import pathlib
import random
import struct
import subprocess

import pytest

from slow_policy import ICMP, ICMPV6, TCP, UDP, Packet, Policy, Tracker

ROOT = pathlib.Path(__file__).resolve().parents[2]
FLOWLOG = pathlib.Path(os.environ.get("FLOWLOG_BUILD", ROOT / "build")) / "flowlog"
CASES = int(os.environ.get("FLOWLOG_POLICY_CASES", "6000"))
SEED = int(os.environ.get("FLOWLOG_POLICY_SEED", "1"))
PER_POLICY = 250
OWN, OWN_6 = "10.1.1.10", "fd00:1:1::10"
SUBNET, SUBNET_6 = "10.1.1.0/24", "fd00:1:1::/64"
PORTS = (0, 1, 22, 53, 80, 443, 1023, 1024, 32768, 65534, 65535)
START = 1_700_000_000


class Maker:
    """Random documents and packets that are likely to meet."""

    def __init__(self, random_source):
        self.random = random_source
        pick = self.random
        # Never the own address: a flow from there to there has no direction that two could agree on.
        self.others = [f"10.1.{pick.randrange(4)}.{pick.randrange(11, 250)}" for _ in range(4)]
        self.others_6 = [f"fd00:1:{pick.randrange(3)}::{pick.randrange(0x11, 250):x}" for _ in range(3)]
        self.strangers = [f"{pick.randrange(11, 224)}.{pick.randrange(256)}.{pick.randrange(256)}.9" for _ in range(3)]
        self.blocks = [self.block() for _ in range(12)]

    def address(self):
        return self.random.choice(self.others + self.others_6 + self.strangers + ["2001:db8::1", "9.9.9.9"])

    def block(self):
        address = ipaddress.ip_address(self.address())
        widths = (0, 8, 15, 16, 23, 24, 31, 32) if address.version == 4 else (0, 32, 47, 48, 64, 127, 128)
        return str(ipaddress.ip_network((address, self.random.choice(widths)), strict=False))

    def ports(self):
        ends = sorted(self.random.choices(PORTS, k=2))
        return self.random.choice([(0, 65535), (-1, -1), (ends[0], ends[0]), tuple(ends), tuple(ends)])

    def types(self):
        kind = self.random.choice([-1, 0, 3, 8, 13, 128, 129])
        return kind, -1 if kind == -1 else self.random.choice([-1, 0, 1])

    def permission(self, groups):
        protocol = self.random.choice(["-1", "tcp", "tcp", "udp", "icmp", "icmpv6", "47", "132"])
        permission = {"IpProtocol": protocol, "IpRanges": [], "Ipv6Ranges": [], "PrefixListIds": [],
                      "UserIdGroupPairs": []}
        if protocol in ("tcp", "udp"):
            permission["FromPort"], permission["ToPort"] = self.ports()
        elif protocol.startswith("icmp"):
            permission["FromPort"], permission["ToPort"] = self.types()
        for _ in range(self.random.randrange(3)):
            block = self.random.choice(self.blocks)
            if ":" in block:
                permission["Ipv6Ranges"].append({"CidrIpv6": block})
            else:
                permission["IpRanges"].append({"CidrIp": block})
        if self.random.random() < 0.2:
            permission["PrefixListIds"].append({"PrefixListId": self.random.choice(["pl-4", "pl-6"])})
        if self.random.random() < 0.3:
            permission["UserIdGroupPairs"].append({"GroupId": self.random.choice(groups), "UserId": "1"})
        return permission

    def entry(self, rule_number, egress):
        protocol = self.random.choice(["-1", "6", "6", "17", "1", "58", "47"])
        block = self.random.choice(self.blocks)
        entry = {"RuleNumber": rule_number, "Egress": egress, "Protocol": protocol,
                 "RuleAction": self.random.choice(["allow", "allow", "deny"]),
                 "Ipv6CidrBlock" if ":" in block else "CidrBlock": block}
        if protocol in ("6", "17"):
            low, high = self.ports()
            entry["PortRange"] = {"From": max(low, 0), "To": 65535 if high == -1 else high}
        if protocol == "1" or (protocol == "58" and ":" in block):
            kind, code = self.types()
            entry["IcmpTypeCode"] = {"Type": kind, "Code": code}
        return entry

    def entries(self):
        entries = []
        for egress in (False, True):
            for rule_number in self.random.sample(range(1, 500), self.random.randrange(8)):
                entries.append(self.entry(rule_number, egress))
            if self.random.random() < 0.7:
                entries.append({"RuleNumber": 500, "Egress": egress, "Protocol": "-1", "RuleAction": "allow",
                                "CidrBlock": "0.0.0.0/0"})
                entries.append({"RuleNumber": 501, "Egress": egress, "Protocol": "-1", "RuleAction": "allow",
                                "Ipv6CidrBlock": "::/0"})
        self.random.shuffle(entries)
        return entries

    def interface(self, name, address, address_6, groups):
        return {"NetworkInterfaceId": name, "VpcId": "vpc-1", "SubnetId": "subnet-1", "PrivateIpAddress": address,
                "PrivateIpAddresses": [{"PrivateIpAddress": address, "Primary": True}],
                "Ipv6Addresses": [{"Ipv6Address": address_6}], "Groups": [{"GroupId": one} for one in groups]}

    def documents(self):
        names = ["sg-a", "sg-b", "sg-c"]
        groups = [{"GroupId": name, "VpcId": "vpc-1",
                   "IpPermissions": [self.permission(names) for _ in range(self.random.randrange(5))],
                   "IpPermissionsEgress": [self.permission(names) for _ in range(self.random.randrange(4))]}
                  for name in names]
        interfaces = [self.interface("eni-own", OWN, OWN_6, self.random.sample(names, self.random.randrange(1, 4)))]
        for index, address in enumerate(dict.fromkeys(self.others)):
            interfaces.append(self.interface(f"eni-{index}", address, self.others_6[index % 3],
                                             self.random.sample(names, 1)))
        return {
            "Vpcs": [{"VpcId": "vpc-1", "CidrBlock": "10.1.0.0/16",
                      "Ipv6CidrBlockAssociationSet": [{"Ipv6CidrBlock": "fd00:1::/32"}]}],
            "Subnets": [{"SubnetId": "subnet-1", "VpcId": "vpc-1", "CidrBlock": SUBNET,
                         "Ipv6CidrBlockAssociationSet": [{"Ipv6CidrBlock": SUBNET_6}]}],
            "SecurityGroups": groups,
            "NetworkAcls": [{"NetworkAclId": "acl-1", "VpcId": "vpc-1", "Associations": [{"SubnetId": "subnet-1"}],
                             "Entries": self.entries()}],
            "NetworkInterfaces": interfaces,
            "PrefixLists": [{"PrefixListId": "pl-4", "Cidrs": [b for b in self.blocks if ":" not in b][:3]},
                            {"PrefixListId": "pl-6", "Cidrs": [b for b in self.blocks if ":" in b][:3]}],
        }

    def packet(self):
        remote = self.address()
        is_ipv6 = ":" in remote
        protocol = self.random.choice([TCP, TCP, UDP, ICMPV6 if is_ipv6 else ICMP, 47, 132])
        packet = Packet(self.random.random() < 0.5, protocol, remote, OWN_6 if is_ipv6 else OWN)
        if protocol in (TCP, UDP):
            packet.remote_port, packet.local_port = self.random.choices(PORTS[1:], k=2)
        if protocol == TCP:
            packet.flags = self.random.choice([0x02, 0x12, 0x10])
        if protocol in (ICMP, ICMPV6):
            packet.icmp = (self.random.choice([0, 3, 8, 13, 14, 128, 129]), self.random.choice([0, 1]))
        return packet

    def packets(self, count):
        """Some of them answer one of those before."""
        packets = []
        while len(packets) < count:
            packets.append(self.packet())
            if self.random.random() < 0.4:
                answer = self.random.choice(packets[-5:]).turned()
                answer.flags = 0x12
                if answer.icmp:
                    answer.icmp = ({8: 0, 13: 14, 128: 129}.get(answer.icmp[0], answer.icmp[0]), answer.icmp[1])
                packets.append(answer)
        return packets


def write_documents(folder, documents):
    for name, content in documents.items():
        (folder / f"{name}.json").write_text(json.dumps({name: content}))


def run(arguments, **options):
    done = subprocess.run([FLOWLOG, *map(str, arguments)], capture_output=True, timeout=120, check=False, **options)
    assert (done.returncode, done.stderr) == (0, b"")
    return [json.loads(line) for line in done.stdout.splitlines()]


def transport(packet):
    source, destination = (packet.local_port, packet.remote_port) if packet.egress else \
        (packet.remote_port, packet.local_port)
    if packet.protocol == TCP:
        return struct.pack(">HHIIBBHHH", source, destination, 0, 0, 0x50, packet.flags, 0, 0, 0)
    if packet.protocol == UDP:
        return struct.pack(">HHHH", source, destination, 8, 0)
    if packet.icmp:
        return struct.pack(">BBHI", *packet.icmp, 0, 0)
    return bytes(8)


def ip_packet(packet):
    """As it stands in a capture of raw IP."""
    source, destination = (packet.local, packet.remote) if packet.egress else (packet.remote, packet.local)
    payload = transport(packet)
    if packet.local.version == 4:
        return struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 64, packet.protocol, 0) + source.packed + \
            destination.packed + payload
    return struct.pack(">IHBB", 6 << 28, len(payload), packet.protocol, 64) + source.packed + destination.packed + \
        payload


def write_capture(path, packets):
    """All in one second, in this order."""
    with open(path, "wb") as to:
        to.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 101))
        for packet in packets:
            data = ip_packet(packet)
            to.write(struct.pack("<IIII", START, 0, len(data), len(data)) + data)


def tuple_of(packet):
    source, destination = (packet.local, packet.remote) if packet.egress else (packet.remote, packet.local)
    ports = (packet.local_port, packet.remote_port) if packet.egress else (packet.remote_port, packet.local_port)
    return str(source), str(destination), *ports, packet.protocol


def expected_flows(policy, packets):
    """What a replay has to record: packets per tuple, verdict, source and rule."""
    tracker = Tracker(policy)
    flows = {}
    for packet in packets:
        verdict, decider, _, entry = tracker.decide(packet)
        direction = "egress" if packet.egress else "ingress"
        groups = ",".join(sorted({group["GroupId"] for group in policy.interface["Groups"]}))
        rule = None
        if verdict == "REJECT":
            rule = f"acl-1:{direction}:{entry[0]}" if decider == "network-acl" else f"{groups}:{direction}:no-match"
        source = decider if verdict == "REJECT" else None
        key = (*tuple_of(packet), verdict, source)
        count, rules = flows.setdefault(key, (0, set()))
        flows[key] = (count + 1, rules | {rule})
    return flows


@pytest.mark.parametrize("index", range(max(1, CASES // PER_POLICY // 2)))
def test_replay_decides_as_the_slow_evaluation(index, tmp_path):
    maker = Maker(random.Random(SEED * 1000 + index))
    documents = maker.documents()
    write_documents(tmp_path, documents)
    packets = maker.packets(PER_POLICY)
    write_capture(tmp_path / "capture.pcap", packets)
    run(["replay", "--policy", tmp_path, "--interface-id", "eni-own", "--no-nodata", "--format", "all", "--out",
         tmp_path / "flows.json", tmp_path / "capture.pcap"])
    found = {}
    for line in (tmp_path / "flows.json").read_text().splitlines():
        flow = json.loads(line)
        key = (flow["pkt-srcaddr"], flow["pkt-dstaddr"], flow["srcport"], flow["dstport"], flow["protocol"],
               flow["action"], flow["x-reject-source"])
        assert key not in found
        found[key] = (flow["packets"], flow["x-reject-rule"])
    expected = expected_flows(Policy(documents, "eni-own"), packets)
    where = f"FLOWLOG_POLICY_SEED={SEED}, policy {index}: {json.dumps(documents)}"
    assert {key: value[0] for key, value in found.items()} == {key: value[0] for key, value in expected.items()}, where
    for key, (_, rule) in found.items():
        assert rule in expected[key][1], where


def record_of(packet, start, action):
    source, destination, source_port, destination_port, protocol = tuple_of(packet)
    return (f"5 1 eni-own {source} {destination} {source_port} {destination_port} {protocol} 1 60 {start} {start} "
            f"{action} OK {'egress' if packet.egress else 'ingress'}\n")


HEADER = ("version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action "
          "log-status flow-direction\n")


def conversations(maker, count):
    """Pairs of a packet and sometimes its answer; no two conversations share their ends. ICMP is left to the replay, as
    records do not hold its types."""
    seen = set()
    while count > 0:
        packet = maker.packet()
        if packet.icmp or packet.key() in seen:
            packet.remote_port, packet.local_port = maker.random.choices(range(1, 65536), k=2)
            packet.protocol, packet.icmp = TCP, None
        if packet.key() in seen:
            continue
        seen.add(packet.key())
        count -= 1
        yield packet, maker.random.random() < 0.4


def check_answer(answer, expected, action, where):
    verdict, decider, admitting, entry = expected
    assert (answer["verdict"], answer["decided_by"]) == (verdict, decider), where
    assert answer["agrees"] == (verdict == action), where
    rule = answer["security_group_rule"]
    assert (rule["group_id"] if rule else None) in ({group for group, _ in admitting} or {None}), where
    said = answer["network_acl_entry"]
    assert (said and (said["rule_number"], said["action"])) == entry, where


@pytest.mark.parametrize("index", range(max(1, CASES // PER_POLICY // 2)))
def test_explain_decides_as_the_slow_evaluation(index, tmp_path):
    maker = Maker(random.Random(SEED * 1000 + 500 + index))
    documents = maker.documents()
    write_documents(tmp_path, documents)
    policy = Policy(documents, "eni-own")
    lines, expected = [], []
    for packet, answered in conversations(maker, PER_POLICY):
        action = maker.random.choice(["ACCEPT", "REJECT"])
        begun = policy.decide(packet)
        lines.append(record_of(packet, START, action))
        expected.append((begun, action))
        if answered:
            tracked = begun[0] == "ACCEPT" and policy.is_tracked(packet, begun[2])
            lines.append(record_of(packet.turned(), START + 1, action))
            expected.append((policy.decide(packet.turned(), tracked), action))
    order = list(range(len(lines)))
    maker.random.shuffle(order)  # records are a history, whatever their order
    answers = run(["explain", "--policy", tmp_path, "-o", "json"],
                  input=(HEADER + "".join(lines[i] for i in order)).encode())
    assert len(answers) == len(lines)
    for place, answer in zip(order, answers):
        check_answer(answer, *expected[place], f"FLOWLOG_POLICY_SEED={SEED}, policy {index}: {lines[place]}{answer}")
