# SPDX-License-Identifier: Apache-2.0
"""flowlog diagnose: each outcome from the records that show it."""

import contextlib
import gzip
import json
import socket
import threading

import pytest

from vpc import documents, entry, line, rule, run, write

CLIENT, SERVER, C, S = "10.0.1.5", "10.0.2.7", "eni-c", "eni-s"
HEADER = ("interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status tcp-flags "
          "flow-direction\n")


def record(eni, request, action="ACCEPT", flags=0, start=1000, port=22, client_port=40000, protocol=6):
    ends = (CLIENT, SERVER, client_port, port) if request else (SERVER, CLIENT, port, client_port)
    direction = "egress" if (eni == C) == request else "ingress"
    return (f"{eni} {ends[0]} {ends[1]} {ends[2]} {ends[3]} {protocol} 5 300 {start} {start + 9} {action} OK {flags} "
            f"{direction}\n")


def empty(eni, status, start=1000):
    return f"{eni} - - - - - - - {start} {start + 59} - {status} - -\n"


def ask(folder, records, *arguments, source=CLIENT, destination=SERVER, port="ssh", status=0):
    (folder / "records.log").write_text(HEADER + records)
    done = run("diagnose", "--src", source, "--dst", destination, *(["--port", port] if port else []), "--from",
               folder / "records.log", "-o", "json", *arguments)
    assert (done.returncode, done.stderr) == (status, "")
    return json.loads(done.stdout)


SYN, SYN_ACK, RST = 2, 18, 4
BOTH_ACCEPT = record(C, True, flags=SYN) + record(S, True, flags=SYN)
OUTCOMES = {
    "accepted": BOTH_ACCEPT + record(S, False, flags=SYN_ACK) + record(C, False, flags=SYN_ACK),
    "rejected-request": record(C, True, flags=SYN) + record(S, True, "REJECT", SYN),
    "rejected-response": BOTH_ACCEPT + record(S, False, "REJECT", SYN_ACK),
    # On one interface only, while the other let it through.
    "rejected-response ": BOTH_ACCEPT + record(S, False, flags=SYN_ACK) + record(C, False, "REJECT", SYN_ACK),
    "rejected-request ": record(C, True, "REJECT", SYN) + record(S, True, flags=SYN) + record(S, False, flags=SYN_ACK),
    "no-response": BOTH_ACCEPT,
    "refused": BOTH_ACCEPT + record(S, False, flags=RST) + record(C, False, flags=RST),
    "one-way": record(S, False, flags=SYN_ACK),
}


@pytest.mark.parametrize("outcome, records", OUTCOMES.items())
def test_outcomes(outcome, records, tmp_path):
    answer = ask(tmp_path, records)
    assert answer["outcome"] == outcome.strip()
    assert answer["completeness"]["complete"]
    rests_on = [item for item in answer["evidence"] if item["records"]]
    assert rests_on and all(item["text"] for item in answer["evidence"])
    assert sum(len(item["records"]) for item in rests_on[:-1]) == len(records.splitlines())


@pytest.mark.parametrize("outcome, records", OUTCOMES.items())
def test_expect(outcome, records, tmp_path):
    ask(tmp_path, records, "--expect", outcome.strip())
    ask(tmp_path, records, "--expect", "absent", status=1)


def test_mid_connection_without_answers_is_one_way(tmp_path):
    assert ask(tmp_path, record(S, True))["outcome"] == "one-way"


OTHERS = record(S, True, port=443, flags=SYN)


def test_absent_and_unknown(tmp_path):
    assert ask(tmp_path, OTHERS, status=1)["outcome"] == "absent"
    assert ask(tmp_path, OTHERS + empty(S, "NODATA", 1060), status=1)["outcome"] == "absent"
    answer = ask(tmp_path, OTHERS + empty(S, "SKIPDATA", 1060), status=1)
    assert answer["outcome"] == "unknown" and "SKIPDATA" in answer["completeness"]["why"]
    assert ask(tmp_path, OTHERS + empty("eni-x", "SKIPDATA", 1060), status=1)["outcome"] == "unknown"
    assert ask(tmp_path, OTHERS, "--expect", "absent")["outcome"] == "absent"


@pytest.mark.parametrize("form", ["log", "parquet"])
@pytest.mark.parametrize("records, outcome", [
    (record(S, True, "REJECT", port=443, flags=SYN) * 3, "unknown"),
    (record(S, True, "REJECT", port=443, flags=SYN) + empty(S, "NODATA", 1060), "unknown"),
    (record(S, True, "REJECT", port=443, flags=SYN) + OTHERS, "absent"),
])
def test_a_flow_log_of_rejected_traffic_proves_no_absence(records, outcome, form, tmp_path):
    (tmp_path / "r.log").write_text(HEADER + records)
    assert run("convert", "--format", "all", "--out", tmp_path / "r.parquet", tmp_path / "r.log").returncode == 0
    done = run("diagnose", "--src", CLIENT, "--dst", SERVER, "--port", "ssh", "--from", tmp_path / f"r.{form}", "-o", "json")
    answer = json.loads(done.stdout)
    assert answer["outcome"] == outcome
    assert ("rejected traffic alone" in (answer["completeness"]["why"] or "")) == (outcome == "unknown")


@pytest.mark.parametrize("destination, port, protocol, with_documents, outcome", [
    ("169.254.169.254", "http", "tcp", False, "unknown"), ("fd00:ec2::254", "http", "tcp", False, "unknown"),
    ("169.254.169.25", "http", "tcp", False, "absent"), ("172.31.0.2", "dns", "udp", True, "unknown"),
    ("172.31.0.2", "dns", "udp", False, "absent"), ("172.31.0.2", "https", "tcp", True, "absent"),
    ("172.31.0.1", "67", "udp", False, "unknown")])
def test_what_is_never_recorded_is_not_absent(destination, port, protocol, with_documents, outcome, tmp_path):
    own, peer = ("fd00::9", "fd00::10") if ":" in destination else ("172.31.16.139", "172.31.16.140")
    write(tmp_path, documents())
    records = f"{C} {own} {peer} 40000 443 6 5 300 1000 1009 ACCEPT OK 2 egress\n"
    answer = ask(tmp_path, records, "--protocol", protocol, *(["--policy", tmp_path] if with_documents else []), source=own,
                 destination=destination, port=port, status=1)
    assert answer["outcome"] == outcome
    assert ("AWS records no traffic" in (answer["completeness"]["why"] or "")) == (outcome == "unknown")


@contextlib.contextmanager
def daemon(folder, **status):
    """What a daemon's socket answers to one question."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "control.sock"))
        listener.listen()

        def answer():
            with listener.accept()[0] as client:
                assert json.loads(client.makefile().readline()) == {"command": "status"}
                client.sendall(json.dumps({"now": 2000, **status}).encode() + b"\n")

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield
        finally:
            thread.join(10)
    (folder / "control.sock").unlink()


def ledger_row(eni, window, seen, lost, **more):
    side = {"seen": seen, "recorded": seen - lost, "lost-full": lost}
    return {"interface-id": eni, "window": window, "interval": 60, "ingress": side, "egress": {}, **more}


@pytest.mark.parametrize("eni, window, lost, outcome, incomplete", [
    (S, 960, 7, "unknown", "the daemon's ledger"),
    (S, 960, 0, "absent", None),
    (S, 9000, 7, "absent", None),  # the records are of another time
    ("eni-x", 960, 7, "absent", None),  # and of other interfaces, though one has the address
])
def test_the_ledger_of_the_daemon_is_asked(eni, window, lost, outcome, incomplete, tmp_path):
    """Before SKIPDATA of a loss is in the records, and where no record tells of it at all."""
    interfaces = [{"interface-id": eni, "addresses": [SERVER], "attached": True}]
    with daemon(tmp_path, interfaces=interfaces, ledger=[ledger_row(eni, window, 100, lost)]):
        answer = ask(tmp_path, OTHERS, "--state", tmp_path, status=1)
    completeness = answer["completeness"]
    assert answer["outcome"] == outcome and completeness["complete"] == (outcome == "absent")
    assert incomplete is None or incomplete in completeness["why"]
    expected = [{"interface-id": S, "attached": True, "windows": int(window == 960), "lost-packets": lost if window == 960 else 0,
                 "not-yet-recorded": 0}]
    assert completeness["ledger"] == (expected if eni == S else [])
    assert ask(tmp_path, OTHERS, "--state", tmp_path, status=1)["completeness"]["ledger"] is None


@pytest.mark.parametrize("attached, seen, until, why", [
    (True, 5, None, "not in the records yet"), (True, 5, "1019", None), (True, 0, None, None), (False, 0, None, "not captured"),
    (False, 0, "1500", None)])
def test_the_ledger_against_its_own_store(attached, seen, until, why, tmp_path):
    """What was seen since the last record, and an interface that nobody captures, leave it open."""
    (tmp_path / "store").mkdir()
    (tmp_path / "r.log").write_text(HEADER + OTHERS)
    assert run("convert", "--format", "all", "--out", tmp_path / "store" / "a.parquet", tmp_path / "r.log").returncode == 0
    interfaces = [{"interface-id": S, "addresses": [SERVER], "attached": attached}]
    times = ["--until", until] if until else []
    with daemon(tmp_path, interfaces=interfaces, ledger=[ledger_row(S, 960, 9, 0), ledger_row(S, 1020, seen, 0, closes=None)]):
        done = run("diagnose", "--src", CLIENT, "--dst", SERVER, "--port", "ssh", "--state", tmp_path, "-o", "json", *times)
    answer = json.loads(done.stdout)
    assert answer["outcome"] == ("unknown" if why else "absent"), answer
    assert why is None or why in answer["completeness"]["why"]


def test_lost_records_of_another_time_do_not_matter(tmp_path):
    records = OTHERS + empty(S, "SKIPDATA", 9000)
    assert ask(tmp_path, records, "--until", "2000", status=1)["outcome"] == "absent"
    assert ask(tmp_path, records, "--at", "9000", status=1)["outcome"] == "unknown"


def test_interfaces_that_are_not_there(tmp_path):
    answer = ask(tmp_path, OTHERS, source="192.0.2.1", destination="192.0.2.2", status=1)
    assert answer["outcome"] == "unknown" and "no record" in answer["completeness"]["why"]


def test_ids_are_endpoints(tmp_path):
    records = OUTCOMES["accepted"]
    assert ask(tmp_path, records, source=C, destination=S)["outcome"] == "accepted"
    assert ask(tmp_path, records, source=CLIENT, destination=S)["outcome"] == "accepted"
    assert ask(tmp_path, records, source="10.0.1.0/24", destination=SERVER)["outcome"] == "accepted"


def test_late_rejects_are_no_rejection(tmp_path):
    late = record(S, True, "REJECT", start=1300)
    assert ask(tmp_path, OUTCOMES["accepted"] + late)["outcome"] == "accepted"


def test_who_began_without_a_port(tmp_path):
    """Traffic that the other end began is not what was asked for."""
    records = OUTCOMES["accepted"]
    assert ask(tmp_path, records, port=None)["outcome"] == "accepted"
    answer = ask(tmp_path, records, source=SERVER, destination=CLIENT, port=None, status=1)
    assert answer["outcome"] == "absent"


def test_the_last_conversation_decides(tmp_path):
    again = record(S, True, "REJECT", SYN, start=5000, client_port=40001)
    answer = ask(tmp_path, OUTCOMES["accepted"] + again)
    assert (answer["outcome"], answer["conversations"]) == ("rejected-request", 2)
    assert any("1 other conversation: accepted" in item["text"] for item in answer["evidence"])


def test_ping(tmp_path):
    ends = {"port": 0, "client_port": 0, "protocol": 1}
    records = record(S, True, **ends) + record(S, False, "REJECT", start=1001, **ends)
    assert ask(tmp_path, records, "--protocol", "icmp", port=None)["outcome"] == "rejected-response"


def test_the_rule_is_named(tmp_path):
    server = "172.31.16.139"
    write(tmp_path, documents([rule("tcp", 22)], [], [entry(100, False, "allow"), entry(7, True, "deny")]))
    eni = "eni-1235b8ca123456789"
    records = (f"{eni} {CLIENT} {server} 40000 22 6 5 300 1000 1009 ACCEPT OK 2 ingress\n"
               f"{eni} {server} {CLIENT} 22 40000 6 5 300 1000 1009 REJECT OK 18 egress\n")
    answer = ask(tmp_path, records, "--policy", tmp_path, destination=server)
    assert answer["outcome"] == "rejected-response"
    assert any("Network ACL acl-1 denies it by egress entry 7" in item["text"] for item in answer["evidence"])


def test_documents_that_contradict_the_record(tmp_path):
    """What the rules would have let through was stopped by something else: that is said, and no rule blamed."""
    server, eni = "172.31.16.139", "eni-1235b8ca123456789"
    write(tmp_path, documents([rule("tcp", 22)]))
    record = f"{eni} {CLIENT} {server} 40000 22 6 5 300 1000 1009 REJECT OK 2 ingress\n"
    answer = ask(tmp_path, record, "--policy", tmp_path, destination=server)
    said, = [item["text"] for item in answer["evidence"] if item["text"].startswith("The documents say")]
    assert "sg-1 admits it" in said and said.endswith("The record contradicts this; perhaps: a change of the rules since, or another control.")
    answer = ask(tmp_path, record.replace("REJECT", "ACCEPT"), "--policy", tmp_path, destination=server)
    assert not any("contradicts" in item["text"] for item in answer["evidence"])


def test_text_reads_in_sentences(tmp_path):
    (tmp_path / "records.log").write_text(HEADER + OUTCOMES["no-response"])
    done = run("diagnose", "--src", CLIENT, "--dst", SERVER, "--port", "22", "--from", tmp_path / "records.log")
    assert done.stdout.startswith("no-response\n  The request was accepted on eni-c: 5 packets from 1970-01-01T00:16:40Z")
    assert "Look behind the network" in done.stdout


@pytest.mark.parametrize("arguments, why", [
    (["--dst", SERVER], "--src is missing"), (["--src", "nowhere", "--dst", SERVER], "--src 'nowhere'"),
    (["--src", CLIENT, "--dst", "fd00::1"], "different families"),
    (["--src", CLIENT, "--dst", SERVER, "--expect", "acepted"], "the nearest is accepted"),
    (["--src", CLIENT, "--dst", SERVER, "--port", "no-such-thing"], "--port"),
    (["--src", CLIENT, "--dst", SERVER, "--since", "yesterday"], "--since"),
    (["--src", CLIENT, "--dst", SERVER, "--at", "5", "--until", "6"], "not both")])
def test_wrong_use(arguments, why, tmp_path):
    (tmp_path / "records.log").write_text(HEADER)
    done = run("diagnose", "--from", tmp_path / "records.log", *arguments)
    assert done.returncode == 2 and why in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("since, outcome", [("1970-01-01T00:16:00Z", "accepted"), ("1970-01-01T02:00:00+01:00", "unknown"),
                                            ("1970-01-02", "unknown"), ("1009", "accepted"), ("1010", "unknown")])
def test_times(since, outcome, tmp_path):
    answer = ask(tmp_path, OUTCOMES["accepted"], "--since", since, status=1 if outcome == "unknown" else 0)
    assert answer["outcome"] == outcome


def test_standard_input_and_several_files(tmp_path):
    lines = OUTCOMES["accepted"].splitlines(keepends=True)
    (tmp_path / "server.log").write_text(HEADER + lines[2])
    done = run("diagnose", "--src", CLIENT, "--dst", SERVER, "--port", "22", "--from", "-", tmp_path / "server.log", "-o", "json",
               text=HEADER + lines[1] + "rubbish\n")
    assert json.loads(done.stdout)["outcome"] == "accepted"
    assert done.stderr.startswith("-:3: ") and len(done.stderr.splitlines()) == 1


def test_lost_records_of_a_secondary_address(tmp_path):
    other = record(S, True, port=443).replace(SERVER, "10.0.2.8")
    records = OTHERS.replace(SERVER, "10.0.2.9") + other + empty(S, "SKIPDATA", 1060)
    assert ask(tmp_path, records, destination="10.0.2.8", source="192.0.2.1", status=1)["outcome"] == "unknown"


def test_own_address_without_direction(tmp_path):
    """The address that stands in all records of the interface is its own."""
    lines = "".join(f"2 1 eni-s 198.51.100.{host} {SERVER} 40000 443 6 1 60 1000 1009 ACCEPT OK\n" for host in (1, 2))
    lost = "2 1 eni-x - - - - - - - 1000 1059 - SKIPDATA\n"
    elsewhere = "2 1 eni-x 10.9.9.9 10.9.9.8 1 2 6 1 60 1000 1009 ACCEPT OK\n"
    (tmp_path / "records.log").write_text(lines + elsewhere + lost)
    done = run("diagnose", "--src", CLIENT, "--dst", SERVER, "--port", "22", "--from", tmp_path / "records.log")
    assert (done.returncode, done.stdout.splitlines()[0]) == (1, "absent")


@pytest.mark.parametrize("port, protocol, name", [("ssh", "tcp", "SSH:"), ("rdp", "tcp", "RDP:"), ("dns", "udp", "DNS:"),
                                                  ("https", "tcp", "HTTPS:"), ("postgres", "tcp", "Database:"),
                                                  (None, "icmp", "Ping:")])
@pytest.mark.parametrize("answer, outcome", [(None, "no-response"), ("ACCEPT", "accepted"), ("REJECT", "rejected-response")])
def test_services_are_spoken_of_by_name(port, protocol, name, answer, outcome):
    """And never as healthy, whatever was accepted."""
    number = {"ssh": 22, "rdp": 3389, "dns": 53, "https": 443, "postgres": 5432, None: 0}[port]
    client_port = 40000 if port else 0
    kind = {"tcp": 6, "udp": 17, "icmp": 1}[protocol]
    records = line("10.0.1.5", "10.0.2.7", client_port, number, kind, eni="eni-s")
    if answer:
        records += line("10.0.2.7", "10.0.1.5", number, client_port, kind, action=answer, eni="eni-s")
    service = ["--port", port] if port else []
    done = run("diagnose", "--src", "10.0.1.5", "--dst", "10.0.2.7", *service, "--protocol", protocol, "--from", "-", "-o",
               "json", text=records)
    told = json.loads(done.stdout)
    assert told["outcome"] == outcome
    spoken, = [one for one in told["evidence"] if f" {name} " in one["text"]]
    assert spoken["record_count"] == (2 if answer else 1) and spoken["records"]
    assert not any(word in one["text"].lower() for one in told["evidence"] for word in ("is healthy", "works fine", "is up and running"))


def test_several_sources_in_any_form(tmp_path):
    request, answer = line("10.0.1.5", "10.0.2.7", 40000, 22), line("10.0.2.7", "10.0.1.5", 22, 40000)
    (tmp_path / "hour").mkdir()
    (tmp_path / "hour" / "a.log.gz").write_bytes(gzip.compress(request.encode()))
    (tmp_path / "b.log").write_text(answer)
    assert run("convert", "--out", tmp_path / "c.parquet", tmp_path / "b.log").returncode == 0
    for sources in [["--from", tmp_path / "hour", "--from", tmp_path / "b.log"], ["--from", tmp_path / "*.log", tmp_path / "hour"],
                    ["--from", tmp_path / "c.parquet", "--from", tmp_path / "hour"]]:
        done = run("diagnose", "--src", "10.0.1.5", "--dst", "10.0.2.7", "--port", "ssh", *sources)
        assert done.returncode == 0 and done.stdout.startswith("accepted"), (sources, done.stderr)


def with_packet_addresses(text):
    """The same records with the packet's own addresses, which are those shown; what has none stays without."""
    return "".join(f"{one} {' '.join(one.split()[1:3])}\n" for one in text.splitlines())


@pytest.mark.parametrize("add_addresses", [False, True])
@pytest.mark.parametrize("records", [*OUTCOMES.values(), OTHERS, OTHERS + empty(S, "SKIPDATA", 1060), OTHERS + empty("eni-x", "NODATA", 1060),
                                     OTHERS + empty("eni-n", "SKIPDATA", 1060), "", empty(S, "SKIPDATA", 1060)])
def test_parquet_is_asked_for_what_bears_on_it_and_answers_alike(records, add_addresses, tmp_path):
    """Where all records tell their direction, only some are read out of Parquet."""
    noise = "".join(f"eni-n 10.0.9.{i} 10.0.8.{i} 1 2 6 5 300 1000 1009 ACCEPT OK 2 egress\n" for i in range(1, 50))
    text = records + noise
    header = HEADER
    if add_addresses:
        header, text = f"{HEADER.rstrip()} pkt-srcaddr pkt-dstaddr\n", with_packet_addresses(text)
    (tmp_path / "r.log").write_text(header + text)
    done = run("convert", "--format", "all", "--out", tmp_path / "r.parquet", tmp_path / "r.log")
    assert done.returncode == 0, done.stderr
    told = []
    for source in ("r.log", "r.parquet"):
        done = run("diagnose", "--src", CLIENT, "--dst", SERVER, "--port", "ssh", "--from", tmp_path / source, "-o", "json")
        told.append(json.loads(done.stdout))
    text, parquet = told
    assert parquet["outcome"] == text["outcome"] and parquet["evidence"] == text["evidence"]
    assert parquet["completeness"]["complete"] == text["completeness"]["complete"]
    if "eni-n" not in records:  # of an interface that lost records each own address is told
        assert parquet["completeness"]["records"] < text["completeness"]["records"]
