# SPDX-License-Identifier: Apache-2.0
"""flowlog whatif: what a change of the rules would shut out or let in, which rules are used, the smallest that would do."""

import json
import random

import pytest

from vpc import ENI, documents, entry, group, interface, line, rule, run, write

OWN = "172.31.16.139"
ALL_OUT = [rule("-1")]


def request(client, port, client_port=40000, **more):
    return line(client, OWN, client_port, port, **more)


def answer(client, port, client_port=40000, **more):
    return line(OWN, client, port, client_port, **more)


@pytest.fixture(name="folders")
def make_folders(tmp_path):
    (tmp_path / "now").mkdir()
    (tmp_path / "then").mkdir()
    return tmp_path


def whatif(folders, records, *arguments, status=0, proposed=True):
    proposal = ["--proposed", folders / "then"] if proposed else []
    done = run("whatif", "--policy", folders / "now", *proposal, "--from", "-", "-o", "json", *arguments, text=records)
    assert done.returncode == status, done.stderr
    assert done.stderr == ""
    return [json.loads(one) for one in done.stdout.splitlines()]


def of_kind(rows, kind, **members):
    return [row for row in rows if row["kind"] == kind and all(row[name] == value for name, value in members.items())]


def test_flips_in_both_directions(folders):
    write(folders / "now", documents([rule("tcp", 22), rule("tcp", 443)], ALL_OUT))
    write(folders / "then", {"SecurityGroups": [group("sg-1", [rule("tcp", 443), rule("tcp", 8080)], ALL_OUT)]})
    records = (request("203.0.113.4", 22, start=1000) + answer("203.0.113.4", 22, start=1000)
               + request("203.0.113.5", 22, start=2000) + request("203.0.113.5", 22, 40001, start=3000)
               + request("203.0.113.6", 443) + request("9.9.9.9", 8080, action="REJECT"))
    rows = whatif(folders, records)
    shut_out, = of_kind(rows, "flip", change="shut-out")
    assert (shut_out["interface-id"], shut_out["flow-direction"], shut_out["protocol"], shut_out["port"]) == (
        ENI, "ingress", 6, 22)
    assert (shut_out["flows"], shut_out["packets"], shut_out["bytes"]) == (3, 60, 3 * 4249)
    assert (shut_out["first"], shut_out["last"], shut_out["peers"]) == (1000, 3009, 2)
    assert [(peer["address"], peer["flows"]) for peer in shut_out["peer-list"]] == [("203.0.113.5", 2), ("203.0.113.4", 1)]
    assert shut_out["before"]["verdict"] == "ACCEPT" and shut_out["after"]["verdict"] == "REJECT"
    assert shut_out["before"]["security_group_rule"]["rule"] == "tcp 22 from 0.0.0.0/0"
    assert shut_out["after"]["decided_by"] == "security-group" and shut_out["after"]["security_group_rule"] is None
    admitted, = of_kind(rows, "flip", change="admitted")
    assert (admitted["port"], admitted["flows"], admitted["after"]["security_group_rule"]["rule"]) == (
        8080, 1, "tcp 8080 from 0.0.0.0/0")
    summary, = of_kind(rows, "summary")
    assert summary["shut-out"]["flows"] == 3 and summary["admitted"]["flows"] == 1
    assert summary["accepted"]["flows"] == 2 and summary["against-documents"]["flows"] == 0


def test_an_answer_is_shut_out_with_its_request_where_no_rule_admits_it(folders):
    """Tracked before; after the change there is nothing to be tracked."""
    write(folders / "now", documents([rule("tcp", 22, block="203.0.113.0/24")], []))
    write(folders / "then", {"SecurityGroups": [group("sg-1", [], [])]})
    rows = whatif(folders, answer("203.0.113.4", 22) + request("203.0.113.4", 22))
    assert {(row["flow-direction"], row["reply"], row["port"]) for row in of_kind(rows, "flip", change="shut-out")} == {
        ("ingress", False, 22), ("egress", True, 22)}
    assert {row["before"]["decided_by"] for row in of_kind(rows, "flip")} == {"security-group", "connection"}


def test_a_network_acl_that_drops_answers(folders):
    write(folders / "now", documents([rule("tcp", 443)], ALL_OUT))
    acl = documents()["NetworkAcls"][0]
    acl["Entries"] = [entry(100, False, "allow"), entry(100, True, "allow", "6", PortRange={"From": 443, "To": 443})]
    write(folders / "then", {"NetworkAcls": [acl]})
    rows = whatif(folders, request("203.0.113.4", 443) + answer("203.0.113.4", 443))
    flip, = of_kind(rows, "flip")
    assert flip["reply"] and flip["after"]["network_acl_entry"]["rule_number"] == 32767


def test_a_whole_folder_stands_alone(folders):
    """With interfaces in it, what it leaves out is gone."""
    write(folders / "now", documents([rule("tcp", 22)], ALL_OUT))
    changed = documents([rule("tcp", 22)], ALL_OUT)
    del changed["NetworkAcls"]
    write(folders / "then", changed)
    rows = whatif(folders, request("203.0.113.4", 22))
    unsure, = of_kind(rows, "cannot-tell")
    assert unsure["set"] == "proposed" and "network ACL" in unsure["because"] and unsure["flows"] == 1


def test_rules_and_sources_without_traffic(folders):
    write(folders / "now", documents([rule("tcp", 22), rule("tcp", 22, block="203.0.113.0/24"),
                                      rule("tcp", 3389, block="198.51.100.0/24")], ALL_OUT))
    rows = whatif(folders, request("203.0.113.4", 22) + answer("203.0.113.4", 22), proposed=False)
    used = {row["rule"]: (row["used"], row["flows-it-alone-admits"]) for row in
            of_kind(rows, "rule", control="security-group")}
    assert used == {"tcp 22 from 0.0.0.0/0": (True, 0), "tcp 22 from 203.0.113.0/24": (True, 0),
                    "tcp 3389 from 198.51.100.0/24": (False, 0), "all traffic to 0.0.0.0/0": (False, 0)}
    assert {(row["source"], row["egress"]) for row in of_kind(rows, "unused-source")} == {
        ("198.51.100.0/24", False), ("0.0.0.0/0", True)}
    fates = {(row["rule"]["CidrIpv4"], row["rule"]["IsEgress"]): row["becomes"] for row in of_kind(rows, "present-rule")}
    assert fates == {("0.0.0.0/0", False): "redundant", ("203.0.113.0/24", False): "narrowed",
                     ("198.51.100.0/24", False): "unused", ("0.0.0.0/0", True): "unused"}
    inbound, = [row for row in of_kind(rows, "present-rule", becomes="redundant")]
    assert inbound["rule"]["FromPort"] == 22 and inbound["command"].startswith("aws ec2 revoke-security-group-ingress")
    entries = {(row["rule_number"], row["egress"]): row["flows"] for row in of_kind(rows, "rule", control="network-acl")}
    assert entries == {(100, True): 1, (100, False): 1, (32767, True): 0, (32767, False): 0}


def test_references_stay_references(folders):
    now = documents([rule("tcp", 5432, group="sg-app"), rule("tcp", 443, prefix_list="pl-1")], [],
                    NetworkInterfaces=[interface(), interface("eni-app", "172.31.40.7", ["sg-app"])],
                    PrefixLists=[{"PrefixListId": "pl-1", "Cidrs": ["198.51.100.0/24"]}])
    now["SecurityGroups"].append(group("sg-app"))
    write(folders / "now", now)
    rows = whatif(folders, request("172.31.40.7", 5432) + request("198.51.100.9", 443), proposed=False)
    assert {row["becomes"] for row in of_kind(rows, "present-rule")} == {"stays"}
    suggested = [row["rule"] for row in of_kind(rows, "suggested-rule")]
    assert {one.get("ReferencedGroupInfo", {}).get("GroupId") or one["PrefixListId"] for one in suggested} == {
        "sg-app", "pl-1"}


def random_traffic(source, count):
    records = []
    for _ in range(count):
        client = f"{source.choice([10, 203])}.0.{source.randrange(3)}.{source.randrange(1, 60)}"
        port = source.choice([22, 80, 443, 5000, 5001, 5002, source.randrange(6000, 7000)])
        client_port, start = source.randrange(32768, 61000), source.randrange(1000, 1300)
        records.append(request(client, port, client_port, start=start))
        records.append(answer(client, port, client_port, start=start))
        records.append(line(OWN, client, client_port, source.choice([53, 443]), start=start))
    source.shuffle(records)
    return "".join(records)


@pytest.mark.parametrize("seed", range(4))
def test_the_smallest_rules_admit_what_was_seen_and_nothing_new(seed, folders):
    source = random.Random(seed)
    inbound = [rule("tcp", 22), rule("tcp", 0, 65535, block="10.0.0.0/8"), rule("tcp", 5000, 6500, block="203.0.0.0/16"),
               rule("tcp", 80, block="203.0.1.0/24"), rule("udp", 53)]
    write(folders / "now", documents(inbound, [rule("tcp", 443), rule("-1", block="10.0.0.0/8")]))
    records = random_traffic(source, 300)
    file = folders / "smallest.json"
    rows = whatif(folders, records, "--suggestion", file, proposed=False)
    assert max(sum(other["rule"] == row["rule"] for other in of_kind(rows, "suggested-rule"))
               for row in of_kind(rows, "suggested-rule")) == 1
    (folders / "then" / "groups.json").write_text(file.read_text())
    again = whatif(folders, records, "--expect", "no-change")
    assert of_kind(again, "flip") == []
    summary, = of_kind(again, "summary")
    assert summary["accepted"]["flows"] > 0 and summary["rejected"]["flows"] > 0
    unseen = request("10.200.0.1", 9999) + request("203.0.50.9", 5001)
    assert len(of_kind(whatif(folders, unseen), "flip", change="shut-out")) == 2


def test_gaps_and_doubts_are_told(folders):
    write(folders / "now", documents([rule("tcp", 22)], ALL_OUT))
    write(folders / "then", {"SecurityGroups": [group("sg-1", [rule("tcp", 22, group="sg-nobody-knows")], ALL_OUT)]})
    records = (request("203.0.113.4", 22) + line("1.1.1.1", OWN, 1, 22, eni="eni-unknown")
               + f"2 123456789010 {ENI} - - - - - - - 1418530010 1418530070 - SKIPDATA\n"
               + f"2 123456789010 {ENI} - - - - - - - 1418530010 1418530070 - NODATA\n")
    done = run("whatif", "--policy", folders / "now", "--proposed", folders / "then", "--from", "-", "--expect",
               "nothing-shut-out", text=records)
    assert done.returncode == 1
    assert "cannot tell: 2" in done.stdout and "1 SKIPDATA record" in done.stdout
    assert "the documents do not know the interface" in done.stdout


@pytest.mark.parametrize("expect, status", [("anything", 0), ("nothing-shut-out", 1), ("nothing-admitted", 0),
                                            ("no-change", 1)])
def test_expectations(expect, status, folders):
    write(folders / "now", documents([rule("tcp", 22)], ALL_OUT))
    write(folders / "then", {"SecurityGroups": [group("sg-1", [], ALL_OUT)]})
    whatif(folders, request("203.0.113.4", 22), "--expect", expect, status=status)


def test_times(folders):
    write(folders / "now", documents([rule("tcp", 22)], ALL_OUT))
    records = request("203.0.113.4", 22, start=1000) + request("203.0.113.4", 22, start=5000)
    rows = whatif(folders, records, "--since", "2000", proposed=False)
    assert of_kind(rows, "summary")[0]["flows"] == 1


def test_ids_of_documents_cannot_break_out_of_the_commands(folders):
    evil = "sg-1'; touch /tmp/x; '"
    write(folders / "now", documents(SecurityGroups=[group(evil, [rule("tcp", 22)], ALL_OUT)],
                                     NetworkInterfaces=[interface(groups=[evil])]))
    rows = whatif(folders, request("203.0.113.4", 22), proposed=False)
    commands = [row["command"] for row in of_kind(rows, "suggested-rule") + of_kind(rows, "present-rule") if row["command"]]
    assert commands and all(r"--group-id 'sg-1'\''; touch /tmp/x; '\'''" in command for command in commands)


def test_usage():
    assert run("whatif", "--from", "-", text="").returncode == 2
    assert run("whatif", "--policy", "nowhere", "--from", "-", text="").returncode == 4
    assert run("whatif", "--policy", ".", "--from", "missing.log").returncode in (2, 4)
    assert run("whatif", "--policy", ".", "--expect", "wonders").returncode == 2
