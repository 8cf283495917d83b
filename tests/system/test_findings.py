# SPDX-License-Identifier: Apache-2.0
"""flowlog findings: what deserves a look, as text, JSON and a page."""

import html.parser
import json
import re
import subprocess

import pytest

from vpc import ENI, documents, entry, group, interface, line, rule, run, write

OWN, CLIENT, INSIDE = "172.31.16.139", "203.0.113.12", "172.31.40.7"
ALL_OUT = [rule("-1")]
HEAD = ("version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action "
        "log-status flow-direction traffic-path\n")


def findings(folder, records, *arguments, status=0):
    done = run("findings", "--policy", folder, "--from", "-", "-o", "json", *arguments, text=records)
    assert done.returncode == status, done.stderr
    return [json.loads(one) for one in done.stdout.splitlines()]


def of_kind(rows, kind):
    return [row for row in rows if row["kind"] == kind]


def test_an_acl_that_drops_answers_is_found_in_the_records(tmp_path):
    entries = [entry(100, False, "allow"), entry(100, True, "allow", "6", PortRange={"From": 443, "To": 443})]
    write(tmp_path, documents([rule("tcp", 443)], ALL_OUT, entries))
    records = (line(CLIENT, OWN, 40000, 443) + line(OWN, CLIENT, 443, 40000, action="REJECT")) * 7
    found, = of_kind(findings(tmp_path, records), "acl-drops-answers")
    assert (found["severity"], found["subject"], found["flows"]) == ("high", ENI, 7)
    assert len(found["records"]) == 5 and found["records"][0].endswith("REJECT OK")
    assert "32767" in found["rule"] and "ephemeral" in found["todo"]


@pytest.mark.parametrize("outbound, is_told", [
    ([entry(100, True, "allow")], False),
    ([entry(100, True, "allow", "6", PortRange={"From": 1024, "To": 65535})], False),
    ([entry(100, True, "allow", "6", PortRange={"From": 443, "To": 443})], True),
    ([entry(90, True, "deny", "6", PortRange={"From": 49152, "To": 65535}), entry(100, True, "allow")], True),
    ([entry(100, True, "allow", "6", PortRange={"From": 32768, "To": 60999})], False),
])
def test_an_acl_that_would_drop_answers(outbound, is_told, tmp_path):
    entries = [entry(100, False, "allow", "6", PortRange={"From": 443, "To": 443}), *outbound]
    write(tmp_path, documents([rule("tcp", 443)], ALL_OUT, entries))
    found = [row for row in of_kind(findings(tmp_path, line(CLIENT, OWN, 40000, 443)), "acl-would-drop-answers")
             if "ingress" in row["title"]]
    assert bool(found) == is_told


def test_too_tight_inside_and_outside(tmp_path):
    write(tmp_path, documents([rule("tcp", 443)], ALL_OUT))
    records = line(INSIDE, OWN, 40000, 5432, action="REJECT") * 3 + line(CLIENT, OWN, 40000, 23, action="REJECT")
    rows = findings(tmp_path, records)
    inside, = of_kind(rows, "too-tight")
    outside, = of_kind(rows, "rejected-from-outside")
    assert (inside["severity"], inside["flows"], outside["severity"], outside["flows"]) == ("medium", 3, "info", 1)
    assert "tcp 5432" in inside["title"] and "No ingress rule of sg-1 admits it" in inside["rule"]


def test_too_open_shadowed_unused_and_wider_than_used(tmp_path):
    write(tmp_path, documents([rule("tcp", 22), rule("tcp", 8000, 8100), rule("tcp", 8000, block="10.0.0.0/8"),
                               rule("udp", 53)], ALL_OUT))
    rows = findings(tmp_path, line(CLIENT, OWN, 40000, 22) + line(CLIENT, OWN, 40000, 8001) + line(OWN, CLIENT, 40000, 80))
    assert [row["rule"] for row in of_kind(rows, "open-to-everywhere")] == ["tcp 22 from 0.0.0.0/0"]
    assert [len(row["records"]) for row in of_kind(rows, "open-to-everywhere")] == [1]
    assert [row["rule"] for row in of_kind(rows, "shadowed")] == ["tcp 8000 from 10.0.0.0/8"]
    assert [row["rule"] for row in of_kind(rows, "unused") if row["subject"] == "sg-1"] == ["udp 53 from 0.0.0.0/0"]
    assert {row["rule"] for row in of_kind(rows, "wider-than-used")} == {
        "tcp 22 from 0.0.0.0/0", "tcp 8000-8100 from 0.0.0.0/0", "all traffic to 0.0.0.0/0"}
    assert [row["severity"] for row in rows] == sorted((row["severity"] for row in rows),
                                                       key=["high", "medium", "low", "info"].index)


def test_equal_rules_shadow_each_other_once(tmp_path):
    write(tmp_path, documents([rule("tcp", 443), rule("tcp", 443)], ALL_OUT))
    assert len(of_kind(findings(tmp_path, line(CLIENT, OWN, 40000, 443)), "shadowed")) <= 1


def test_shadowed_entries(tmp_path):
    entries = [entry(100, False, "allow"), entry(110, False, "deny", "6", PortRange={"From": 22, "To": 22}),
               entry(120, False, "allow", "17"), entry(100, True, "allow")]
    write(tmp_path, documents([rule("tcp", 443)], ALL_OUT, entries))
    found = of_kind(findings(tmp_path, line(CLIENT, OWN, 40000, 443)), "shadowed")
    assert [(row["severity"], "entry 110" in row["title"]) for row in found] == [("medium", True), ("low", False)]


def test_paths(tmp_path):
    content = documents([], ALL_OUT, RouteTables=[{
        "RouteTableId": "rtb-1", "VpcId": "vpc-1", "Associations": [{"SubnetId": "subnet-1"}], "Routes": [
            {"DestinationCidrBlock": "172.31.0.0/16", "GatewayId": "local", "State": "active"},
            {"DestinationCidrBlock": "203.0.113.0/24", "GatewayId": "igw-1", "State": "active"},
            {"DestinationCidrBlock": "198.51.100.0/24", "VpcPeeringConnectionId": "pcx-1", "State": "blackhole"}]}])
    write(tmp_path, content)
    def record(destination, path):
        return line(OWN, destination, 40000, 443).replace("OK\n", f"OK egress {path}\n")
    rows = findings(tmp_path, HEAD + record(CLIENT, 8) + record(CLIENT, 4) + record("198.51.100.1", 4) + record("9.9.9.9", "-"))
    other, = of_kind(rows, "unexpected-path")
    assert other["flows"] == 1 and "path 4" in other["title"] and "igw-1" in other["rule"]
    assert sum(row["flows"] for row in of_kind(rows, "no-route")) == 2


SECOND = "eni-second"


def of_two(*records, flags=True):
    """Records of an instance's two interfaces: (interface, whether it is the request, direction, flags, start)."""
    head = HEAD.replace("traffic-path", "pkt-srcaddr pkt-dstaddr" + (" tcp-flags" if flags else ""))
    said = ""
    for eni, is_request, direction, flag, start in records:
        ends = (CLIENT, OWN, 40000, 443) if is_request else (OWN, CLIENT, 443, 40000)
        more = f" {flag}" if flags else ""
        said += line(*ends, eni=eni, start=start).replace("OK\n", f"OK {direction} {ends[0]} {ends[1]}{more}\n")
    return head + said


@pytest.mark.parametrize("records, flags, requests, answers", [
    ([(ENI, True, "ingress", 2, 1000), (SECOND, False, "egress", 18, 1000)], True, ENI, SECOND),
    ([(SECOND, False, "egress", 18, 900), (ENI, True, "ingress", 2, 1000)], True, ENI, SECOND),  # the SYN tells who asked
    ([(SECOND, True, "ingress", 0, 1000), (ENI, False, "egress", 0, 1001)] * 3, False, SECOND, ENI),
    ([(ENI, True, "ingress", 2, 1000), (ENI, False, "egress", 18, 1000)], True, None, None),
    ([(ENI, True, "ingress", 2, 1000), (SECOND, False, "egress", 18, 1000), (ENI, False, "egress", 18, 1060)], True, None, None),
    ([(ENI, True, "ingress", 2, 1000), (SECOND, True, "ingress", 2, 1000)], True, None, None),  # no answer at all
])
def test_asymmetric_paths(records, flags, requests, answers, tmp_path):
    content = documents([rule("tcp", 443)], ALL_OUT, NetworkInterfaces=[interface(), interface(SECOND, "172.31.16.140")])
    write(tmp_path, content)
    found = of_kind(findings(tmp_path, of_two(*records, flags=flags)), "asymmetric")
    assert len(found) == bool(requests)
    for one in found:
        assert (one["subject"], one["severity"], one["flows"], one["packets"]) == (requests, "medium", len(records), 20 * len(records))
        assert f"Requests go through {requests} and their answers through {answers} (tcp 443)" in one["title"]
        assert len(one["records"]) == min(5, len(records))


def test_a_rejected_answer_is_not_asymmetric(tmp_path):
    """The client's interface never saw it, as the server's rejected it."""
    content = documents([rule("tcp", 443)], ALL_OUT, NetworkInterfaces=[interface(), interface(SECOND, INSIDE)])
    write(tmp_path, content)
    records = (line(INSIDE, OWN, 40000, 443, eni=SECOND) + line(INSIDE, OWN, 40000, 443)
               + line(OWN, INSIDE, 443, 40000, action="REJECT"))
    assert not of_kind(findings(tmp_path, records), "asymmetric")


def test_what_cannot_be_told_is_said(tmp_path):
    content = documents([rule("tcp", 443)], ALL_OUT, NetworkInterfaces=[interface(), interface("eni-2", "172.31.16.2", ["sg-x"])])
    (tmp_path / "x.json").write_text(json.dumps(content))
    records = (line(CLIENT, OWN, 40000, 443) + line(CLIENT, "172.31.16.2", 1, 22, eni="eni-2")
               + line(CLIENT, "172.31.16.3", 1, 22, eni="eni-3")
               + f"2 123456789010 {ENI} - - - - - - - 1418530010 1418530070 - SKIPDATA\n")
    titles = [row["title"] for row in of_kind(findings(tmp_path, records), "cannot-tell")]
    assert any("the documents do not know security group sg-x" in title for title in titles)
    assert any("the documents do not know the interface" in title for title in titles)
    assert any("1 SKIPDATA record" in title for title in titles)


def test_records_against_the_documents(tmp_path):
    write(tmp_path, documents([rule("tcp", 443)], ALL_OUT))
    found, = of_kind(findings(tmp_path, line(CLIENT, OWN, 40000, 443, action="REJECT")), "against-documents")
    assert found["severity"] == "medium" and found["flows"] == 1


class Page(html.parser.HTMLParser):
    """Its text, its tags, and that each that is opened is closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.words, self.links = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_the_page(tmp_path):
    evil = "sg-<script>alert(1)</script>&\"'"
    write(tmp_path, documents(SecurityGroups=[group(evil, [rule("tcp", 22)], ALL_OUT)],
                              NetworkInterfaces=[interface(groups=[evil])]))
    file = tmp_path / "page.html"
    rows = findings(tmp_path, line(CLIENT, OWN, 40000, 22) + line(CLIENT, OWN, 1, 23, action="REJECT"), "--html", file)
    page = Page(file.read_text())
    text = "".join(page.words)
    assert page.links and all(link in ("#high", "#medium", "#low", "#info") for link in page.links) and "script" not in page.tags and page.tags.count("article") == len(rows)
    assert all(row["title"] in text and row["todo"] in text for row in rows)
    assert any(evil in row["title"] for row in rows)
    assert sum(int(re.match(r"\d+", word)[0]) for word in page.words if re.fullmatch(r"\d+ (high|medium|low|info)", word)) == len(rows)


def test_the_page_in_a_browser(tmp_path):
    """Chromium shows what was found as text: it runs nothing of it."""
    evil = "sg-<script>document.title='taken'</script><img src=x onerror=document.title='taken'>"
    write(tmp_path, documents(SecurityGroups=[group(evil, [rule("tcp", 22)], ALL_OUT)],
                              NetworkInterfaces=[interface(groups=[evil])]))
    file = tmp_path / "page.html"
    rows = findings(tmp_path, line(CLIENT, OWN, 40000, 22), "--html", file)
    shown = subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/browser",
                            "--dump-dom", file.as_uri()], capture_output=True, text=True, timeout=60,
                           check=True).stdout
    page = Page(shown)
    assert page.tags.count("article") == len(rows) and "img" not in page.tags and "script" not in page.tags
    assert "taken" not in "".join(page.words).split("High")[0] and "<title>Findings in flow logs</title>" in shown
    assert any(evil in word for word in page.words)


@pytest.mark.parametrize("level, status", [("never", 0), ("high", 0), ("medium", 1), ("info", 1)])
def test_fail_on(level, status, tmp_path):
    write(tmp_path, documents([rule("tcp", 443)], ALL_OUT))
    findings(tmp_path, line(INSIDE, OWN, 40000, 80, action="REJECT"), "--fail-on", level, status=status)


def test_usage(tmp_path):
    assert run("findings", "--from", "-", text="").returncode == 2
    write(tmp_path, documents())
    assert run("findings", "--policy", tmp_path, "--from", "-", "--html", "/nowhere/x.html", text="").returncode == 4
