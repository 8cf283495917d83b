# SPDX-License-Identifier: Apache-2.0
"""flowlog explain: AWS's published examples, others' descriptions with the answers known for them, what is in doubt."""

import gzip
import itertools
import json
import pathlib
import re

import pytest

from vpc import ENI, ROOT, documents, entry, explain, group, interface, line, rule, run, verdicts, write

SAMPLES = ROOT / "tests" / "golden" / "policy"
PUBLISHED = ROOT / "tests" / "golden" / "aws"
OWN, CLIENT = "172.31.16.139", "203.0.113.12"
ICMP_ENTRIES = [entry(100, False, "allow", "1"), entry(100, True, "deny", "1")]
SSH = rule("tcp", 22)


def request(port=22, action="ACCEPT", **more):
    return line(CLIENT, OWN, 40000, port, action=action, **more)


def response(port=22, action="ACCEPT", **more):
    return line(OWN, CLIENT, port, 40000, action=action, **more)


def test_published_ssh_and_rdp(tmp_path):
    write(tmp_path, documents([SSH], [rule("-1")], NetworkInterfaces=[
        interface(address="172.31.16.21"), ]))
    accepted, rejected = (PUBLISHED / "accept-and-reject.log").read_text().splitlines()[1:3]
    rejected = rejected.replace("172.31.9.12", "172.31.16.21")  # published as if of the same interface
    answers = explain(tmp_path, f"{accepted}\n{rejected}\n")
    assert verdicts(answers) == [("ACCEPT", "security-group"), ("REJECT", "security-group")]
    assert [answer["agrees"] for answer in answers] == [True, True]
    assert answers[0]["security_group_rule"] == {"group_id": "sg-1", "rule_id": None, "rule": "tcp 22 from 0.0.0.0/0"}
    assert answers[0]["network_acl_entry"] is None  # both are in one subnet
    assert answers[1]["security_group_rule"] is None
    assert answers[0]["because"].endswith("Security group sg-1 admits it by its rule (tcp 22 from 0.0.0.0/0).")
    assert answers[1]["because"].endswith("No ingress rule of sg-1 admits it.")


def test_published_lines_without_traffic(tmp_path):
    write(tmp_path, documents())
    answers = explain(tmp_path, (PUBLISHED / "nodata-and-skipdata.log").read_text())
    assert [(answer["verdict"], answer["agrees"]) for answer in answers] == [(None, None)] * 2
    assert "without traffic" in answers[0]["because"]


def test_published_ping(tmp_path):
    """The group has no ICMP rule out, the network ACL denies ICMP out."""
    write(tmp_path, documents([rule("icmp", -1)], [rule("tcp", 0, 65535)], ICMP_ENTRIES))
    answers = explain(tmp_path, (PUBLISHED / "stateful-and-stateless.log").read_text())
    assert verdicts(answers) == [("ACCEPT", "security-group"), ("REJECT", "network-acl")]
    assert [answer["agrees"] for answer in answers] == [True, True]
    assert answers[1]["network_acl_entry"] == {"network_acl_id": "acl-1", "rule_number": 100, "egress": True,
                                               "action": "deny"}
    assert answers[0]["because"] == ("Network ACL acl-1 allows it by ingress entry 100 (icmp from 0.0.0.0/0). Security group sg-1 "
                                     "admits it by its rule (icmp from 0.0.0.0/0).")
    assert answers[1]["because"] == ("It answers a tracked connection, which the security groups let pass. Network ACL acl-1 denies "
                                     "it by egress entry 100 (icmp to 0.0.0.0/0).")


TRACKED, ALLOWED = "It answers a tracked connection, which the security groups let pass.", "Network ACL acl-1 allows it by"
DENIED = "Network ACL acl-1 denies it by"


@pytest.mark.parametrize("inbound, outbound, entries, expected, because", [
    ([SSH], [rule("-1", block="10.0.0.0/8")], None, [("ACCEPT", "security-group"), ("ACCEPT", "connection")],
     ("sg-1 admits it by its rule (tcp 22 from 0.0.0.0/0)", f"{TRACKED} {ALLOWED} egress entry 100")),
    ([SSH], [], None, [("ACCEPT", "security-group"), ("ACCEPT", "connection")],
     ("sg-1 admits it by its rule (tcp 22 from 0.0.0.0/0)", f"{TRACKED} {ALLOWED} egress entry 100")),
    ([SSH], [], [entry(100, False, "allow")], [("ACCEPT", "security-group"), ("REJECT", "network-acl")],
     (f"{ALLOWED} ingress entry 100", f"{TRACKED} {DENIED} egress entry 32767, the default")),
    ([], [], None, [("REJECT", "security-group"), ("REJECT", "security-group")],
     ("No ingress rule of sg-1 admits it", "No egress rule of sg-1 admits it")),
    ([SSH], [], [entry(100, True, "allow")], [("REJECT", "network-acl"), ("REJECT", "security-group")],
     (f"{DENIED} ingress entry 32767, the default", "No egress rule of sg-1 admits it")),
], ids=["all allow", "no outbound rule", "ACL denies out", "group denies in", "ACL denies in"])
def test_stateful_and_stateless(inbound, outbound, entries, expected, because, tmp_path):
    write(tmp_path, documents(inbound, outbound, entries))
    answers = explain(tmp_path, request() + response())
    assert verdicts(answers) == expected
    assert all(words in answer["because"] for words, answer in zip(because, answers)), answers
    assert verdicts(explain(tmp_path, response() + request())) == expected[::-1]


def test_what_was_not_consulted_is_null(tmp_path):
    write(tmp_path, documents([], [], [entry(100, True, "allow")]))
    denied_by_acl, denied_by_group = explain(tmp_path, request() + line(OWN, CLIENT, 50000, 443))
    assert denied_by_acl["network_acl_entry"]["rule_number"] == 32767
    assert denied_by_acl["security_group_rule"] is None
    assert denied_by_group["network_acl_entry"] is None


def test_default_denies_of_both_families(tmp_path):
    both = documents([rule("-1"), rule("-1", block="::/0")], [], [])
    both["NetworkInterfaces"][0]["Ipv6Addresses"] = [{"Ipv6Address": "2001:db8::9"}]
    write(tmp_path, both)
    answers = explain(tmp_path, request() + line("2001:db8:1::1", "2001:db8::9", 40000, 22))
    assert [answer["network_acl_entry"]["rule_number"] for answer in answers] == [32767, 32768]


def test_rule_ids_and_lists_and_references(tmp_path):
    flat = {"GroupId": "sg-1", "IsEgress": False, "IpProtocol": "tcp"}
    content = documents(NetworkInterfaces=[interface(), interface("eni-peer", "172.31.40.7", ["sg-peer"])])
    del content["SecurityGroups"]
    content["SecurityGroupRules"] = [
        {**flat, "SecurityGroupRuleId": "sgr-1", "FromPort": 22, "ToPort": 22, "CidrIpv4": "203.0.113.0/24"},
        {**flat, "SecurityGroupRuleId": "sgr-2", "FromPort": 443, "ToPort": 443, "PrefixListId": "pl-1"},
        {**flat, "SecurityGroupRuleId": "sgr-3", "FromPort": 80, "ToPort": 80,
         "ReferencedGroupInfo": {"GroupId": "sg-peer"}},
        {"GroupId": "sg-peer", "SecurityGroupRuleId": "sgr-4", "IsEgress": True, "IpProtocol": "-1",
         "CidrIpv4": "0.0.0.0/0"}]
    content["PrefixLists"] = [{"PrefixListId": "pl-1", "PrefixListName": "office"}]
    write(tmp_path, content)
    (tmp_path / "pl-1.json").write_text(json.dumps({"Entries": [{"Cidr": "198.51.100.0/24", "Description": "x"}]}))
    answers = explain(tmp_path, request() + line("198.51.100.7", OWN, 40000, 443) + line("172.31.40.7", OWN, 40000, 80)
                      + line(CLIENT, OWN, 40001, 443) + line("172.31.40.8", OWN, 40000, 80))
    rules = [answer["security_group_rule"] for answer in answers]
    assert [one and (one["group_id"], one["rule_id"]) for one in rules] == [
        ("sg-1", "sgr-1"), ("sg-1", "sgr-2"), ("sg-1", "sgr-3"), None, None]


def test_both_forms_alike_give_the_id(tmp_path):
    content = documents([rule("tcp", 22, block="203.0.113.0/24")])
    content["SecurityGroupRules"] = [{"GroupId": "sg-1", "SecurityGroupRuleId": "sgr-1", "IsEgress": False,
                                      "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIpv4": "203.0.113.0/24"}]
    write(tmp_path, content)
    assert explain(tmp_path, request())[0]["security_group_rule"]["rule_id"] == "sgr-1"


def test_untracked_replies_are_admitted_by_their_rule(tmp_path):
    """AWS's example: SSH from one address is tracked, HTTP from anywhere is not, with everything allowed out."""
    write(tmp_path, documents([rule("tcp", 22, block=f"{CLIENT}/32"), rule("tcp", 80)], [rule("-1")]))
    assert verdicts(explain(tmp_path, request() + response())) == [("ACCEPT", "security-group"),
                                                                   ("ACCEPT", "connection")]
    assert verdicts(explain(tmp_path, request(80) + response(80))) == [("ACCEPT", "security-group")] * 2


@pytest.mark.parametrize("more, traits", [
    ({"InterfaceType": "vpc_endpoint"}, "an interface that always tracks"),
    ({}, "a route through a NAT gateway"),
])
def test_always_tracked(more, traits, tmp_path):
    content = documents([rule("tcp", 80)], [rule("-1")], NetworkInterfaces=[interface(**more)])
    if not more:
        content["RouteTables"] = [{"RouteTableId": "rtb-1", "VpcId": "vpc-1", "Associations": [{"Main": True}],
                                   "Routes": [{"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-1"}]}]
    write(tmp_path, content)
    assert verdicts(explain(tmp_path, request(80) + response(80)))[1] == ("ACCEPT", "connection"), traits


def test_syn_tells_who_began(tmp_path):
    write(tmp_path, documents([SSH]))
    head = ("version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action "
            "log-status tcp-flags\n")
    answers = explain(tmp_path, head + response(start=1418530000).replace("OK\n", "OK 18\n")
                      + request(start=1418530005).replace("OK\n", "OK 2\n"))
    assert verdicts(answers) == [("ACCEPT", "connection"), ("ACCEPT", "security-group")]


def udp(source, destination, source_port, destination_port, start):
    return line(source, destination, source_port, destination_port, 17, start=start, end=start)


def test_udp_time_outs(tmp_path):
    write(tmp_path, documents([rule("udp", 53, block="203.0.113.0/24")]))
    ask, answer = (CLIENT, OWN, 5000, 53), (OWN, CLIENT, 53, 5000)
    assert verdicts(explain(tmp_path, udp(*ask, 1000) + udp(*answer, 1030)))[1] == ("ACCEPT", "connection")
    assert verdicts(explain(tmp_path, udp(*ask, 1000) + udp(*answer, 1031)))[1] == ("REJECT", "security-group")


def test_tcp_time_out_depends_on_the_instance(tmp_path):
    write(tmp_path, documents([SSH]))
    late = explain(tmp_path, request(start=1000, end=1000) + response(start=2000))[1]
    assert late["verdict"] is None and "time-out" in late["because"]
    tracking = {"ConnectionTrackingConfiguration": {"TcpEstablishedTimeout": 600}}
    write(tmp_path, documents([SSH], NetworkInterfaces=[interface(**tracking)]))
    assert verdicts(explain(tmp_path, request(start=1000, end=1000) + response(start=2000)))[1] == (
        "REJECT", "security-group")


def test_icmp_types_are_not_in_records(tmp_path):
    write(tmp_path, documents([rule("icmp", 8, -1)]))
    answer = explain(tmp_path, line(CLIENT, OWN, 0, 0, 1))[0]
    assert (answer["verdict"], answer["agrees"]) == (None, None)
    assert "ICMP type" in answer["because"]


def test_direction_by_field_or_own_address(tmp_path):
    write(tmp_path, documents([SSH]))
    foreign = explain(tmp_path, line(CLIENT, "172.31.99.9", 40000, 22))[0]
    assert foreign["verdict"] is None and "direction" in foreign["because"]
    head = "interface-id srcaddr dstaddr srcport dstport protocol start end action log-status flow-direction\n"
    told = explain(tmp_path, head + f"{ENI} {CLIENT} 172.31.99.9 40000 22 6 1 2 ACCEPT OK ingress\n")[0]
    assert told["verdict"] == "ACCEPT"


def test_resolver_is_not_filtered(tmp_path):
    write(tmp_path, documents(entries=[]))
    answers = explain(tmp_path, line(OWN, "172.31.0.2", 40000, 53, 17) + line(OWN, "169.254.169.254", 40000, 80))
    assert [answer["verdict"] for answer in answers] == ["ACCEPT", "ACCEPT"]


# ---- contradictions and doubt


def test_contradictions_are_told(tmp_path):
    write(tmp_path, documents([SSH]))
    answers = explain(tmp_path, request(3389, "ACCEPT") + request(22, "REJECT"))
    assert [answer["agrees"] for answer in answers] == [False, False]
    assert all("The record contradicts this" in answer["because"] for answer in answers)


def test_late_packets_are_thought_of(tmp_path):
    write(tmp_path, documents([SSH]))
    head = "interface-id srcaddr dstaddr srcport dstport protocol start end action log-status tcp-flags\n"
    answer = explain(tmp_path, head + f"{ENI} {CLIENT} {OWN} 40000 22 6 1 2 REJECT OK 1\n")[0]
    assert "late packets" in answer["because"]


def without(name):
    content = documents([SSH])
    del content[name]
    return content


UNKNOWN_GROUP = documents(NetworkInterfaces=[interface(groups=["sg-1", "sg-9"])])
DOUBTS = {
    "no group": (without("SecurityGroups"), 1, "security group sg-1"),
    "no ACL": (without("NetworkAcls"), 0, "network ACL"),
    "no subnet": (without("Subnets") | {"NetworkAcls": []}, 0, "border|network ACL"),
    "another group that is not known": (UNKNOWN_GROUP, 1, "sg-9"),
    "described twice": (documents() | {"security_groups": [group("sg-1", [SSH])]}, 1, "described twice"),
    "unknown reference": (documents([rule("tcp", 22, group="sg-8")]), 1, "sg-8"),
    "list without entries": (documents([rule("tcp", 22, prefix_list="pl-8")]), 1, "pl-8"),
    "not a block": (documents([rule("tcp", 22, block="1.2.3.4/99")]), 1, "could not be read"),
    "not a protocol": (documents([rule("tcpp", 22)]), 1, "could not be read"),
    "ports turned round": (documents([rule("tcp", 30, 20)]), 1, "could not be read"),
    "entry twice": (documents([SSH], entries=[entry(1, False, "allow"), entry(1, False, "deny", "6")]), 1, "two ingress"),
    "entry without action": (documents([SSH], entries=[entry(1, False, "maybe"), entry(2, False, "allow")]), 1,
                             "could not be read"),
    "two ACLs": (documents([SSH]) | {"network_acls": [
        {"NetworkAclId": "acl-2", "VpcId": "vpc-1", "Associations": [{"SubnetId": "subnet-1"}], "Entries": []}]}, 1,
        "two network ACLs"),
    "two VPCs": (documents([SSH], Vpcs=[{"VpcId": "vpc-2"}], NetworkInterfaces=[interface(VpcId="vpc-2")]), 1,
                 "different VPCs"),
    "groups not listed": (documents([SSH], NetworkInterfaces=[interface(Groups=None)]), 0, "which security groups"),
    "rules not listed": (documents(SecurityGroups=[{"GroupId": "sg-1", "VpcId": "vpc-1", "IpPermissionsEgress": []}]), 1,
                         "do not list the ingress rules of security group sg-1"),
    "rules that are no list": (documents(SecurityGroups=[group("sg-1") | {"IpPermissions": "none"}]), 2, "do not list the ingress rules"),
    "sources that are no list": (documents([rule("tcp", 80) | {"IpRanges": {}}]), 1, "could not be read"),
    "sources not listed": (documents([{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}]), 0, "could not be read"),
    "rule that is no object": (documents([7]), 2, "could not be read"),
    "without ports": (documents([rule("tcp")]), 1, "could not be read"),
    "entries not listed": (documents([SSH]) | {"NetworkAcls": [
        {"NetworkAclId": "acl-1", "VpcId": "vpc-1", "IsDefault": True, "Associations": [{"SubnetId": "subnet-1"}]}]}, 1,
        "do not list the entries of network ACL acl-1"),
    "entry without ports": (documents([SSH], entries=[entry(1, False, "allow", "6", PortRange={"From": 22})]), 1,
                            "could not be read"),
    "subnets of an ACL not listed": (documents([SSH]) | {"NetworkAcls": [
        {"NetworkAclId": "acl-1", "VpcId": "vpc-1", "IsDefault": True, "Associations": [], "Entries": []},
        {"NetworkAclId": "acl-2", "VpcId": "vpc-1", "Entries": []}]}, 0, "do not know the network ACL"),
    "two addresses": (documents([SSH]) | {"network_interfaces": [interface(address="172.31.16.140")]}, 1, "described twice"),
    "forms differ": (documents([SSH]) | {"SecurityGroupRules": [
        {"GroupId": "sg-1", "SecurityGroupRuleId": "sgr-1", "IsEgress": False, "IpProtocol": "tcp", "FromPort": 23,
         "ToPort": 23, "CidrIpv4": "0.0.0.0/0"}]}, 2, "only in"),
}


@pytest.mark.parametrize("content, mistakes, why", DOUBTS.values(), ids=DOUBTS.keys())
def test_doubt_gives_no_verdict(content, mistakes, why, tmp_path):
    write(tmp_path, content)
    answer = explain(tmp_path, request(), mistakes=mistakes)[0]
    assert (answer["verdict"], answer["agrees"], answer["decided_by"]) == (None, None, None), answer
    assert "Cannot tell, because " in answer["because"] and re.search(why, answer["because"])


def test_doubt_does_not_spread(tmp_path):
    """A rule in doubt leaves what other rules admit, or the network ACL denies."""
    write(tmp_path, documents([SSH, rule("tcp", 80, group="sg-8")], entries=[
        entry(1, False, "deny", "17"), entry(2, False, "allow")]))
    answers = explain(tmp_path, request() + line(CLIENT, OWN, 5000, 80, 17) + request(80) + request(81), mistakes=1)
    assert [answer["verdict"] for answer in answers] == ["ACCEPT", "REJECT", None, "REJECT"]


def test_unlisted_rules_of_one_direction_leave_the_other(tmp_path):
    write(tmp_path, documents(SecurityGroups=[{"GroupId": "sg-1", "VpcId": "vpc-1", "IpPermissions": [SSH]}]))
    answers = explain(tmp_path, request() + response() + request(23) + line(OWN, CLIENT, 50000, 443), mistakes=1)
    assert verdicts(answers) == [("ACCEPT", "security-group"), ("ACCEPT", "connection"), ("REJECT", "security-group"), (None, None)]
    assert "the documents do not list the egress rules of security group sg-1" in answers[3]["because"]


def test_stale_reference_matches_nothing(tmp_path):
    stale = rule("tcp", 22, group="sg-gone")
    stale["UserIdGroupPairs"][0]["PeeringStatus"] = "deleted"
    write(tmp_path, documents([stale]))
    assert verdicts(explain(tmp_path, request())) == [("REJECT", "security-group")]


def test_which_control_rejected_may_be_open(tmp_path):
    write(tmp_path, without("NetworkAcls") | {"SecurityGroups": [group("sg-1")]})
    answer = explain(tmp_path, request(action="REJECT"))[0]
    assert (answer["verdict"], answer["agrees"], answer["decided_by"]) == ("REJECT", True, None)


def test_unknown_interface(tmp_path):
    write(tmp_path, documents())
    answer = explain(tmp_path, line(CLIENT, OWN, 1, 2, eni="eni-9"))[0]
    assert (answer["verdict"], answer["because"]) == (None, "Cannot tell, because the documents do not know the interface.")


# ---- forms of documents and input


@pytest.mark.parametrize("wrap", [
    lambda content: content,
    lambda content: {"status_code": 200, "data": content | {"ResponseMetadata": {}}},
    lambda content: {re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(): value for name, value in content.items()},
    lambda content: content | {"NextToken": None, "Unheard": {"Of": [1, None, True]}},
], ids=["aws", "recorded", "snake case", "unknown members"])
def test_forms(wrap, tmp_path):
    write(tmp_path, wrap(documents([SSH])))
    assert verdicts(explain(tmp_path, request())) == [("ACCEPT", "security-group")]


def test_interfaces_of_instances(tmp_path):
    content = documents([SSH])
    content["Reservations"] = [{"Instances": [{"InstanceId": "i-1", "NetworkInterfaces": content.pop("NetworkInterfaces")}]}]
    write(tmp_path, content)
    assert verdicts(explain(tmp_path, request())) == [("ACCEPT", "security-group")]


def test_record_as_operand_and_files(tmp_path):
    write(tmp_path, documents([SSH]))
    (tmp_path / "records.log.gz").write_bytes(gzip.compress(request().encode()))
    for arguments in (["--from", tmp_path / "records.log.gz"], [request().strip()], request().split()):
        done = run("explain", "--policy", tmp_path, *arguments)
        assert (done.returncode, done.stderr) == (0, "")
        assert "ACCEPT by security-group, as recorded" in done.stdout


def test_bad_lines_are_told_and_the_rest_goes_on(tmp_path):
    write(tmp_path, documents([SSH]))
    done = run("explain", "--policy", tmp_path, "-o", "json", text="rubbish\n" + request())
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 1
    assert done.stderr.splitlines()[0].startswith("-:1: ")
    assert done.stderr.splitlines()[-1] == "bad lines: 1; records: 1"


@pytest.mark.parametrize("arguments, status", [
    (["explain", request()], 2),
    (["explain", "--policy", "/nowhere", request()], 4),
    (["explain", "--policy", ".", "--from", "/nowhere"], 4),
    (["explain", "--policy", ".", "--from", "x", request()], 2),
])
def test_wrong_use(arguments, status, tmp_path):
    write(tmp_path, documents())
    done = run(*[tmp_path if argument == "." else argument for argument in arguments])
    assert done.returncode == status
    assert len(done.stderr.splitlines()) == 1


def test_broken_document_is_named(tmp_path):
    write(tmp_path, documents([SSH]))
    (tmp_path / "broken.json").write_text('{"Subnets": [\n}')
    done = run("explain", "--policy", tmp_path, request())
    assert done.returncode == 0 and "broken.json: line 2: " in done.stderr
    (tmp_path / "vpc.json").unlink()
    assert run("explain", "--policy", tmp_path, request()).returncode == 2


# ---- what others say of their samples


def test_batfish_public_subnet():
    eni = next(iter(json.loads((SAMPLES / "batfish-public-subnet/NetworkInterfaces.json").read_text())
                    ["NetworkInterfaces"]))["NetworkInterfaceId"]
    inward, outward = explain(SAMPLES / "batfish-public-subnet", line("8.8.8.8", "18.216.80.133", 40000, 80, eni=eni)
                              + line("10.0.0.91", "8.8.8.8", 40000, 53, 17, eni=eni))
    assert (inward["verdict"], inward["decided_by"]) == ("REJECT", "security-group")
    assert outward["verdict"] == "ACCEPT" and outward["route"]["target"].startswith("igw-")


def test_batfish_subnet():
    """Inside the subnet the network ACL is not met; what leaves or enters it meets it."""
    inside, entering, leaving = explain(
        SAMPLES / "batfish-subnet",
        line("10.10.1.228", "10.10.1.44", 40000, 80, eni="eni-029bf1092de61fb40", action="REJECT")
        + line("8.8.8.8", "10.10.1.44", 40000, 22, eni="eni-029bf1092de61fb40")
        + line("10.10.1.44", "8.8.8.8", 40000, 22, eni="eni-029bf1092de61fb40"))
    assert (inside["verdict"], inside["decided_by"], inside["network_acl_entry"]) == ("REJECT", "security-group", None)
    for crossing, egress in ((entering, False), (leaving, True)):
        assert crossing["network_acl_entry"] == {"network_acl_id": "acl-07102431133dec52a", "rule_number": 100,
                                                 "egress": egress, "action": "allow"}


def one_group(tmp_path, number):
    """An interface that carries just one of the sample's groups."""
    groups = json.loads((SAMPLES / "batfish-units/SecurityGroupTest.json").read_text())["SecurityGroups"]
    write(tmp_path, documents(SecurityGroups=[groups[number]],
                              NetworkInterfaces=[interface(groups=[groups[number]["GroupId"]])]))
    return tmp_path


@pytest.mark.parametrize("number, admitted, refused", [
    (0, [22], [21, 23]), (1, [0, 22], [23]), (2, [65530, 65535], [65529]), (3, [0, 65535], []), (4, [0, 22, 65535], []), (5, [45, 50], [44, 51]),
    (6, [0, 50], [51]), (7, [30, 65535], [29]), (8, [22], [80])])
def test_batfish_ports_open_at_either_end(number, admitted, refused, tmp_path):
    folder = one_group(tmp_path, number)
    for ports, verdict in ((admitted, "ACCEPT"), (refused, "REJECT")):
        for port in ports:
            assert explain(folder, line("1.2.3.4", OWN, 40000, port))[0]["verdict"] == verdict, port


def test_batfish_what_a_group_admits_and_to_whom(tmp_path):
    """All traffic of any kind; one port in from one address, another one out to another, and the answers of both."""
    everything = explain(one_group(tmp_path, 4), line("9.9.9.9", OWN, 0, 0, 47) + line("9.9.9.9", OWN, 1, 2, 17) + line("9.9.9.9", OWN, 0, 0, 1))
    assert [one["verdict"] for one in everything] == ["ACCEPT"] * 3
    answers = explain(one_group(tmp_path, 8), line("1.2.3.4", OWN, 40000, 22) + line(OWN, "1.2.3.4", 22, 40000)
                      + line(OWN, "5.6.7.8", 40000, 80) + line("5.6.7.8", OWN, 80, 40000)
                      + line("5.6.7.8", OWN, 40001, 22) + line(OWN, "1.2.3.4", 40001, 80) + line(OWN, "5.6.7.8", 40001, 22))
    assert verdicts(answers) == [("ACCEPT", "security-group"), ("ACCEPT", "connection")] * 2 + [("REJECT", "security-group")] * 3


def one_acl(tmp_path, name):
    """An interface in the subnet that the sample's network ACL is of; its groups admit everything."""
    everything = [rule("-1"), rule("-1", block="::/0")]
    content = documents(NetworkInterfaces=[interface(VpcId="vpc-f8fad69d", SubnetId="subnet-1f315846",
                                                     Ipv6Addresses=[{"Ipv6Address": "2001:db8::9"}])],
                        Subnets=[{"SubnetId": "subnet-1f315846", "VpcId": "vpc-f8fad69d", "CidrBlock": "172.31.16.0/20",
                                  "Ipv6CidrBlockAssociationSet": [{"Ipv6CidrBlock": "2001:db8::/64"}]}],
                        SecurityGroups=[group("sg-1", everything, everything) | {"VpcId": "vpc-f8fad69d"}],
                        Vpcs=[{"VpcId": "vpc-f8fad69d", "CidrBlock": "172.31.0.0/16"}])
    del content["NetworkAcls"]
    write(tmp_path, content)
    (tmp_path / "acl.json").write_bytes((SAMPLES / f"batfish-units/{name}.json").read_bytes())
    return tmp_path


def entries_met(answers):
    return [(one["verdict"], one["network_acl_entry"]["rule_number"], one["network_acl_entry"]["egress"]) for one in answers]


def test_batfish_acl_with_a_port_range(tmp_path):
    answers = explain(one_acl(tmp_path, "NetworkAclTest"), line("162.243.144.192", OWN, 40000, 3306) + line("162.243.144.192", OWN, 40000, 3307)
                      + line("162.243.144.193", OWN, 40000, 3306) + line(OWN, "9.9.9.9", 40000, 3306) + line(OWN, "9.9.9.9", 0, 0, 1))
    assert entries_met(answers) == [("REJECT", 100, False), ("REJECT", 32767, False), ("REJECT", 32767, False),
                                    ("ACCEPT", 100, True), ("ACCEPT", 100, True)]
    assert "ingress entry 100 (tcp 3306 from 162.243.144.192/32)" in answers[0]["because"]


def test_batfish_acl_of_icmp_and_of_ipv6(tmp_path):
    answers = explain(one_acl(tmp_path, "NetworkAclIcmpTest"), line(OWN, "9.9.9.9", 0, 0, 1) + line(OWN, "9.9.9.9", 40000, 80)
                      + line("9.9.9.9", OWN, 0, 0, 1))
    assert entries_met(answers) == [("ACCEPT", 100, True), ("REJECT", 32767, True), ("REJECT", 32767, False)]
    answers = explain(one_acl(tmp_path, "NetworkAclV6Test"), line("2001:db8::9", "2001:db8:1::1", 40000, 80) + line(OWN, "9.9.9.9", 40000, 80)
                      + line("2001:db8:1::1", "2001:db8::9", 40000, 80))
    assert entries_met(answers) == [("ACCEPT", 100, True), ("REJECT", 32767, True), ("REJECT", 32768, False)]


def test_batfish_hybrid_cloud():
    """Every interface is known; the groups refer to each other and, one of them, to a group that is not there."""
    folder = SAMPLES / "batfish-hybrid-cloud"
    parts = {name: json.loads((folder / f"{name}.json").read_text())[name] for name in ("NetworkInterfaces", "Subnets", "NetworkAcls")}
    assert len(parts["NetworkInterfaces"]) == 9 and len(parts["Subnets"]) == 10
    acl_of = {tie["SubnetId"]: acl["NetworkAclId"] for acl in parts["NetworkAcls"] for tie in acl["Associations"]}
    records = "".join(line("9.9.9.9", one["PrivateIpAddress"], 40000, 22, eni=one["NetworkInterfaceId"])
                      + line(one["PrivateIpAddress"], "9.9.9.9", 40001, 443, eni=one["NetworkInterfaceId"])
                      for one in parts["NetworkInterfaces"])
    answers = explain(folder, records, mistakes=1)
    for one, inward, outward in zip(parts["NetworkInterfaces"], answers[::2], answers[1::2]):
        assert inward["verdict"] and outward["verdict"], (inward, outward)
        assert inward["network_acl_entry"] == {"network_acl_id": acl_of[one["SubnetId"]], "rule_number": 100, "egress": False, "action": "allow"}
        assert outward["decided_by"] == "security-group" and outward["route"]["route_table_id"].startswith("rtb-")


def test_batfish_group_of_three_descriptions_is_doubted():
    done = run("explain", "--policy", SAMPLES / "batfish-units", request())
    assert "sg-0de0ddfa8a5a12348 is described twice, and differently" in done.stderr


def npguard_endpoints():
    text = (SAMPLES / "npguard/expected_aws_sg_1_endpoints.txt").read_text()
    return re.findall(r"^\w+\[([\d.]+)\] => \w+\[([\d.]+)\] : (.*)$", text, re.MULTILINE)


def npguard_interfaces():
    content = json.loads((SAMPLES / "npguard/input_aws_sg_1.json").read_text())
    return {one["PrivateIpAddress"]: one["NetworkInterfaceId"]
            for instance in content["instances"] for one in instance["NetworkInterfaces"]}


def is_connected(pairs, source, destination, protocol, port):
    said = pairs.get((source, destination), "")
    if said == "All Connections":
        return True
    ports = re.search(r"dst-ports: (\d+)", said)
    return said.startswith("protocol: TCP") and protocol == 6 and (not ports or port == int(ports[1]))


def test_npguard_endpoints():
    """Who reaches whom: out of the one interface and into the other."""
    pairs = {(source, destination): said for source, destination, said in npguard_endpoints()}
    interfaces = npguard_interfaces()
    assert len(pairs) == 9 and len(interfaces) == 5
    cases = [(*ends, protocol, port) for ends in itertools.permutations(interfaces, 2)
             for protocol, port in ((6, 22), (6, 9080), (17, 53))]
    records = "".join(line(source, destination, 40000, port, protocol, eni=interfaces[end])
                      for source, destination, protocol, port in cases for end in (source, destination))
    answers = explain(SAMPLES / "npguard", records)
    for case, out, into in zip(cases, answers[::2], answers[1::2]):
        reached = (out["verdict"], into["verdict"]) == ("ACCEPT", "ACCEPT")
        assert reached == is_connected(pairs, *case), case


def test_npguard_internet():
    """Who is reached from the Internet, and who reaches it."""
    text = (SAMPLES / "npguard/expected_aws_sg_1_endpoints.txt").read_text()
    inward = re.findall(r"^Public Internet \(all ranges\) => \w+\[([\d.]+)\] : All Connections$", text, re.MULTILINE)
    outward = re.findall(r"^\w+\[([\d.]+)\] => Public Internet \(all ranges\) : All Connections$", text, re.MULTILINE)
    assert sorted(inward) == sorted(outward) == ["10.240.10.42", "10.240.40.217"]
    interfaces = npguard_interfaces()
    for own, eni in interfaces.items():
        kinds = ((6, 22), (6, 9080), (17, 53))
        into = explain(SAMPLES / "npguard", "".join(line("8.8.8.8", own, 40000, port, protocol, eni=eni) for protocol, port in kinds))
        assert [one["verdict"] for one in into] == ["ACCEPT" if own in inward else "REJECT"] * 3, own
        out = explain(SAMPLES / "npguard", "".join(line(own, "8.8.8.8", 40000, port, protocol, eni=eni) for protocol, port in kinds))
        assert own not in outward or [one["verdict"] for one in out] == ["ACCEPT"] * 3, own


def test_npguard_explained_path():
    interfaces = npguard_interfaces()
    out, into = explain(SAMPLES / "npguard", "".join(
        line("10.240.40.217", "10.240.20.43", 40000, 80, eni=interfaces[end]) for end in ("10.240.40.217", "10.240.20.43")))
    assert out["security_group_rule"]["group_id"] == "GroupId:50"
    assert out["security_group_rule"]["rule"] == "all traffic to 0.0.0.0/0"
    assert into["security_group_rule"]["group_id"] == "GroupId:42"
    assert into["security_group_rule"]["rule"] == "all traffic from 10.240.40.0/24"
    answers = explain(SAMPLES / "npguard", "".join(
        line(*ends, eni=interfaces[end]) for ends in (("10.240.40.217", "10.240.20.43", 40000, 80), ("10.240.20.43", "10.240.40.217", 80, 40000))
        for end in ("10.240.40.217", "10.240.20.43")))
    for answer, egress in zip([out, into, *answers], (True, False, True, False, False, True)):
        assert answer["network_acl_entry"] == {"network_acl_id": "NetworkAclId:65", "rule_number": 100, "egress": egress, "action": "allow"}
    # The TCP response is enabled; dashboard's group is open to all both ways, so that nothing of it is tracked.
    assert [answer["decided_by"] for answer in answers[2:]] == ["security-group", "connection"]


@pytest.mark.parametrize("folder", sorted(path.name for path in SAMPLES.iterdir() if path.is_dir()))
def test_every_sample_loads(folder):
    done = run("explain", "--policy", SAMPLES / folder, request())
    assert done.returncode == 0
    assert not [text for text in done.stderr.splitlines()
                if "described twice" not in text and "do not know" not in text]


def test_manual_names_every_member_of_an_answer(tmp_path):
    page = pathlib.Path(ROOT / "man/flowlog-explain.sections").read_text(encoding="utf-8").replace("\\-", "-")
    write(tmp_path, documents([SSH]))
    own = set(explain(tmp_path, request())[0]) - set("interface-id srcaddr dstaddr srcport dstport protocol start end action "
                                                     "log-status flow-direction".split())
    assert own and all(name in page for name in own)
