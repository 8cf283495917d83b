# SPDX-License-Identifier: Apache-2.0
"""flowlog replay --policy: a capture as the records that AWS would have written at one interface."""

import json

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, fragment
from scapy.packet import Raw
from scapy.utils import wrpcap

from vpc import ENI, ROOT, documents, entry, interface, rule, run, write

OWN, CLIENT, START = "172.31.16.139", "203.0.113.12", 1_432_917_000
SSH = rule("tcp", 22)


def tcp(egress, flags, port=22, client=40000, second=0):
    packet = IP(src=OWN, dst=CLIENT) / TCP(sport=port, dport=client, flags=flags) if egress else \
        IP(src=CLIENT, dst=OWN) / TCP(sport=client, dport=port, flags=flags)
    packet.time = START + second
    return packet


def icmp(egress, kind, second=0, code=0):
    source, destination = (OWN, CLIENT) if egress else (CLIENT, OWN)
    packet = IP(src=source, dst=destination) / ICMP(type=kind, code=code)
    packet.time = START + second
    return packet


def udp(egress, second, port=53, client=5000):
    packet = IP(src=OWN, dst=CLIENT) / UDP(sport=port, dport=client) if egress else \
        IP(src=CLIENT, dst=OWN) / UDP(sport=client, dport=port)
    packet.time = START + second
    return packet


def replay(folder, packets, *arguments, said=""):
    wrpcap(str(folder / "capture.pcap"), packets)
    done = run("replay", "--policy", folder, "--interface-id", ENI, "--no-nodata", "--format", "all", "--out",
               folder / "flows.json", *arguments, folder / "capture.pcap")
    assert done.returncode == 0 and said in done.stderr, done.stderr
    assert bool(done.stderr) == bool(said), done.stderr
    return [json.loads(line) for line in (folder / "flows.json").read_text().splitlines()]


def outcome(flows):
    return [(flow["flow-direction"], flow["packets"], flow["action"]) for flow in flows]


def test_who_the_interface_is(tmp_path):
    write(tmp_path, documents([SSH]))
    flow = replay(tmp_path, [tcp(False, "S")])[0]
    expected = {"account-id": "123456789010", "interface-id": ENI, "vpc-id": "vpc-1", "subnet-id": "subnet-1",
                "instance-id": "i-1", "az-id": "use1-az1", "dstaddr": OWN, "action": "ACCEPT",
                "x-reject-source": None, "x-reject-rule": None}
    assert {name: flow[name] for name in expected} == expected


def test_options_come_before_the_documents(tmp_path):
    write(tmp_path, documents([SSH]))
    flow = replay(tmp_path, [tcp(False, "S")], "--account-id", "9", "--address", CLIENT)[0]
    assert (flow["account-id"], flow["flow-direction"]) == ("9", "egress")


def test_handshake_through_a_stateful_group(tmp_path):
    write(tmp_path, documents([SSH]))
    assert outcome(replay(tmp_path, [tcp(False, "S"), tcp(True, "SA"), tcp(False, "A")])) == [
        ("ingress", 2, "ACCEPT"), ("egress", 1, "ACCEPT")]


def test_stateless_acl_rejects_the_answer(tmp_path):
    write(tmp_path, documents([SSH], [rule("-1")], [entry(100, False, "allow"), entry(7, True, "deny", "6")]))
    flows = replay(tmp_path, [tcp(False, "S"), tcp(True, "SA")])
    assert outcome(flows) == [("ingress", 1, "ACCEPT"), ("egress", 1, "REJECT")]
    assert (flows[1]["x-reject-source"], flows[1]["x-reject-rule"]) == ("network-acl", "acl-1:egress:7")


def test_rejected_packet_starts_nothing(tmp_path):
    write(tmp_path, documents([SSH]))
    flows = replay(tmp_path, [tcp(False, "S", 3389), tcp(True, "RA", 3389)])
    assert outcome(flows) == [("ingress", 1, "REJECT"), ("egress", 1, "REJECT")]
    assert [(flow["x-reject-source"], flow["x-reject-rule"]) for flow in flows] == [
        ("security-group", "sg-1:ingress:no-match"), ("security-group", "sg-1:egress:no-match")]


def test_a_connection_the_acl_stops_is_not_tracked(tmp_path):
    """The group lets it out, the network ACL does not: what comes back answers nothing."""
    write(tmp_path, documents([], [rule("tcp", 443, block="203.0.113.0/24")], [entry(1, False, "allow")]))
    flows = replay(tmp_path, [tcp(True, "S", 40000, 443), tcp(False, "SA", 40000, 443)])
    assert outcome(flows) == [("egress", 1, "REJECT"), ("ingress", 1, "REJECT")]


def test_answer_before_its_request_is_rejected(tmp_path):
    write(tmp_path, documents([SSH]))
    flows = replay(tmp_path, [tcp(True, "SA"), tcp(False, "S"), tcp(True, "SA")])
    assert sorted(outcome(flows)) == [("egress", 1, "ACCEPT"), ("egress", 1, "REJECT"), ("ingress", 1, "ACCEPT")]


def test_icmp_types_are_judged_one_by_one(tmp_path):
    write(tmp_path, documents([rule("icmp", 8, -1)]))
    packets = [icmp(False, 8), icmp(True, 0), icmp(False, 13), icmp(False, 8), icmp(True, 0), icmp(True, 8)]
    flows = replay(tmp_path, packets)
    assert sorted(outcome(flows)) == [("egress", 1, "REJECT"), ("egress", 2, "ACCEPT"), ("ingress", 1, "REJECT"),
                                      ("ingress", 2, "ACCEPT")]


def test_icmp_codes(tmp_path):
    write(tmp_path, documents([rule("icmp", 3, 4)]))
    assert sorted(outcome(replay(tmp_path, [icmp(False, 3, code=4), icmp(False, 3, code=1)]))) == [
        ("ingress", 1, "ACCEPT"), ("ingress", 1, "REJECT")]


@pytest.mark.parametrize("number, admitted, refused", [
    (9, [(8, 0), (8, 9)], [(3, 0), (13, 0)]), (10, [(8, 9)], [(8, 0), (3, 9)]), (11, [(8, 0), (3, 9), (13, 0)], [])],
    ids=["type alone", "type and code", "code alone, which every type overrides"])
def test_batfish_icmp_types_and_codes(number, admitted, refused, tmp_path):
    groups = json.loads((ROOT / "tests/golden/policy/batfish-units/SecurityGroupTest.json").read_text())["SecurityGroups"]
    write(tmp_path, documents(SecurityGroups=[groups[number]], NetworkInterfaces=[interface(groups=[groups[number]["GroupId"]])]))
    for kinds, verdict in ((admitted, "ACCEPT"), (refused, "REJECT")):
        for kind, code in kinds:
            assert outcome(replay(tmp_path, [icmp(False, kind, code=code)])) == [("ingress", 1, verdict)], (kind, code)


@pytest.mark.parametrize("times, verdict", [
    ([(False, 0), (True, 30)], "ACCEPT"),
    ([(False, 0), (True, 31)], "REJECT"),
    ([(False, 0), (True, 1), (False, 2), (True, 182)], "ACCEPT"),
    ([(False, 0), (True, 1), (False, 2), (True, 183)], "REJECT"),
])
def test_udp_time_outs(times, verdict, tmp_path):
    write(tmp_path, documents([rule("udp", 53, block="203.0.113.0/24")]))
    flows = replay(tmp_path, [udp(*each) for each in times])
    assert flows[-1]["action"] == verdict


@pytest.mark.parametrize("seconds, verdict, said", [
    (340, "ACCEPT", ""), (400, "ACCEPT", "1 packets, recorded as ACCEPT"), (432100, "REJECT", "")])
def test_tcp_time_out_where_the_type_of_instance_is_not_known(seconds, verdict, said, tmp_path):
    write(tmp_path, documents([SSH]))
    flows = replay(tmp_path, [tcp(False, "S"), tcp(True, "SA"), tcp(True, "A", second=seconds)], said=said)
    assert flows[-1]["action"] == verdict


def test_late_packets_of_a_closed_connection(tmp_path):
    write(tmp_path, documents([SSH]))
    flows = replay(tmp_path, [tcp(False, "S"), tcp(True, "SA"), tcp(False, "FA"), tcp(True, "FA"), tcp(False, "A"),
                              tcp(False, "A", second=600), tcp(True, "A", second=600), tcp(False, "S", second=601),
                              tcp(True, "SA", second=601)])
    assert sorted(outcome(flows[2:])) == [("egress", 1, "ACCEPT"), ("egress", 1, "REJECT"), ("ingress", 1, "ACCEPT"),
                                          ("ingress", 1, "REJECT")]
    late = next(flow for flow in flows[2:] if (flow["flow-direction"], flow["action"]) == ("ingress", "REJECT"))
    assert late["x-reject-rule"] == "sg-1:ingress:late"


def test_fragments_without_ports(tmp_path):
    """Where the rules tell ports apart nobody can say: ACCEPT, and told."""
    write(tmp_path, documents([rule("udp", 53, block="203.0.113.0/24")]))
    pieces = fragment(IP(src=CLIENT, dst=OWN) / UDP(sport=5000, dport=53) / Raw(b"x" * 2000), 1000)
    for piece in pieces:
        piece.time = START
    flows = replay(tmp_path, pieces, said="2 packets, recorded as ACCEPT")
    assert {flow["action"] for flow in flows} == {"ACCEPT"} and len(pieces) == 3


def test_traffic_type(tmp_path):
    write(tmp_path, documents([SSH]))
    packets = [tcp(False, "S"), tcp(False, "S", 3389)]
    assert [flow["dstport"] for flow in replay(tmp_path, packets, "--traffic-type", "REJECT")] == [3389]
    assert [flow["dstport"] for flow in replay(tmp_path, packets, "--traffic-type", "ACCEPT")] == [22]


def test_either_control(tmp_path):
    """Both that are known leave no way through, but one of them is not known."""
    content = documents([])
    del content["NetworkAcls"]
    write(tmp_path, content)
    flow = replay(tmp_path, [tcp(False, "S")])[0]
    assert (flow["action"], flow["x-reject-source"], flow["x-reject-rule"]) == ("REJECT", None, None)


@pytest.mark.parametrize("arguments, why", [
    ([], "--interface-id"), (["--interface-id", "eni-9"], "do not know interface eni-9")])
def test_wrong_use(arguments, why, tmp_path):
    write(tmp_path, documents())
    wrpcap(str(tmp_path / "capture.pcap"), [tcp(False, "S")])
    done = run("replay", "--policy", tmp_path, *arguments, tmp_path / "capture.pcap")
    assert done.returncode == 2 and why in done.stderr and len(done.stderr.splitlines()) == 1


def test_secondary_and_ipv6_addresses_are_own(tmp_path):
    own = interface(Ipv6Addresses=[{"Ipv6Address": "2001:db8::9"}])
    own["PrivateIpAddresses"].append({"PrivateIpAddress": "172.31.16.140", "Primary": False})
    write(tmp_path, documents([SSH], NetworkInterfaces=[own]))
    packet = IP(src="172.31.16.140", dst=CLIENT) / TCP(sport=1, dport=2, flags="S")
    packet.time = START
    flow = replay(tmp_path, [packet])[0]
    assert (flow["flow-direction"], flow["srcaddr"], flow["pkt-srcaddr"]) == ("egress", OWN, "172.31.16.140")
