# SPDX-License-Identifier: Apache-2.0
"""Records with planted cases and quiet ones, and what each named query has to say of them, computed here without SQL."""

import collections
import dataclasses
import datetime
import ipaddress
import random

HOUR = 3600
BEGIN = 1_699_999_200  # on the hour
SPAN = 30 * HOUR
NEWEST = BEGIN + SPAN
NOW = NEWEST + 120

DEFAULT = ("version account_id interface_id srcaddr dstaddr srcport dstport protocol packets bytes start end action "
           "log_status").split()
ALL = [*DEFAULT, "subnet_id", "instance_id", "tcp_flags", "pkt_srcaddr", "pkt_dstaddr", "flow_direction", "x_lost_packets"]
INTEGERS = {"version", "srcport", "dstport", "protocol", "tcp_flags"}  # of 32 bits
LONGS = {"packets", "bytes", "start", "end", "x_lost_packets"}

SYN, SYN_ACK, CLIENT, SERVER = 2, 18, 3, 19


def record(interface, source, destination, **more):
    """One record; `source` and `destination` are (address, port)."""
    start = more.get("start", BEGIN)
    values = {"version": 11, "account_id": "123456789012", "interface_id": interface, "srcaddr": source[0],
              "dstaddr": destination[0], "srcport": source[1], "dstport": destination[1], "protocol": 6, "packets": 5,
              "bytes": 500, "end": start + 20, "action": "ACCEPT", "log_status": "OK", "subnet_id": "subnet-" + interface,
              "instance_id": "i-" + interface, "tcp_flags": CLIENT, "pkt_srcaddr": source[0],
              "pkt_dstaddr": destination[0], "flow_direction": "ingress", "x_lost_packets": None} | more
    if values["protocol"] != 6:
        values["tcp_flags"] = 0
    return values


def conversation(interfaces, client, server, start, sent=500, received=1500, **more):
    """A request and its answer, each on every interface."""
    for interface in interfaces:
        yield record(interface, client, server, start=start, bytes=sent, flow_direction="egress", **more)
        yield record(interface, server, client, start=start, bytes=received, tcp_flags=SERVER, **more)


def empty(interface, status, start, lost=None):
    """A record of an interface without traffic, or with lost records."""
    none = dict.fromkeys(("srcport", "dstport", "protocol", "packets", "bytes", "tcp_flags"))
    dashes = dict.fromkeys(("srcaddr", "dstaddr", "action", "pkt_srcaddr", "pkt_dstaddr", "flow_direction"), "-")
    return record(interface, ("-", None), ("-", None), start=start) | none | dashes | {
        "log_status": status, "x_lost_packets": lost, "end": start + 60}


def ordinary():
    """What no query that looks for trouble may find: everything answered, known early, of even volume, irregular."""
    dice = random.Random(11)
    records = []
    for hour in range(31):
        begin = BEGIN + hour * HOUR
        for _ in range(3):
            at = begin + dice.randrange(1800)
            records += conversation(["c", "s"], ("10.1.1.10", dice.randrange(33000, 60000)), ("10.1.1.20", 443), at)
            records += conversation(["c"], ("10.1.1.10", dice.randrange(33000, 60000)), ("10.1.1.2", 53),
                                    at - dice.randrange(1, 300), protocol=17)
        records += conversation(["s"], ("198.51.100.7", dice.randrange(33000, 60000)), ("10.1.1.20", 443),
                                begin + dice.randrange(3000), packets=9)
    # A session of one connection, a record a minute, which is as regular as a clock.
    for minute in range(40):
        flags = SYN if minute == 0 else 0
        at = BEGIN + 7200 + 60 * minute
        records.append(record("s", ("10.1.1.10", 50022), ("10.1.1.20", 22), start=at, tcp_flags=flags))
        records.append(record("s", ("10.1.1.20", 22), ("10.1.1.10", 50022), start=at, tcp_flags=flags and SYN_ACK))
    return [r for r in records if BEGIN <= r["start"] <= NEWEST] + [
        record("c", ("10.1.1.10", 40000), ("10.1.1.20", 443), start=NEWEST, end=NEWEST),
        record("c", ("10.1.1.20", 443), ("10.1.1.10", 40000), start=NEWEST, end=NEWEST, tcp_flags=SERVER)]


def scans():
    """Ports of a host, hosts of a port, guessed passwords, as many as it takes and no more."""
    for port in range(1, 31):
        yield record("s", ("203.0.113.9", 41000), ("10.1.1.20", port), start=BEGIN + 10 * HOUR + port, packets=1, bytes=44,
                     tcp_flags=SYN, action="REJECT")
    for host in range(1, 26):
        yield record("x", ("10.1.1.66", 42000 + host), (f"10.1.2.{host}", 445), start=BEGIN + 11 * HOUR + host, packets=1,
                     bytes=48, tcp_flags=SYN, action="REJECT" if host % 2 else "ACCEPT", flow_direction="egress")
    for attempt in range(25):
        yield from conversation(["s"], ("198.51.100.99", 43000 + attempt), ("10.1.1.20", 22),
                                BEGIN + 12 * HOUR + 15 * attempt, packets=12, sent=1200, received=1700)
    yield from conversation(["v"], ("2001:db8::5", 44000), ("fd00:1::10", 3389), BEGIN + 12 * HOUR, packets=7)


def departures():
    """New destinations, a large upload, a beacon."""
    yield from conversation(["c"], ("10.1.1.10", 45001), ("192.0.2.200", 443), NEWEST - 1800)
    for hour in (3, 5, 7, 9):
        yield from conversation(["b"], ("10.1.1.30", 45100 + hour), ("10.1.1.20", 443), BEGIN + hour * HOUR)
    for part in range(4):
        yield from conversation(["b"], ("10.1.1.30", 45200), ("192.0.2.201", 443), NEWEST - 1500 + 60 * part,
                                sent=50_000_000, received=100_000, packets=40_000)
    for beat in range(30):
        yield from conversation(["d"], ("10.1.1.40", 46000 + beat), ("192.0.2.202", 8443),
                                BEGIN + 4 * HOUR + 300 * beat + beat * 7 % 5)


def paths():
    """Between networks, without answer, with a rejected answer, by two ways, behind NAT, and of other protocols."""
    yield from conversation(["c"], ("10.1.1.10", 47000), ("10.1.2.50", 8080), BEGIN + 2 * HOUR)
    yield from conversation(["v"], ("fd00:1::10", 47001), ("fd00:2::20", 8080), BEGIN + 2 * HOUR)
    for attempt in range(3):
        yield record("c", ("10.1.1.10", 47100 + attempt), ("10.1.1.77", 5432), start=BEGIN + 3 * HOUR + attempt,
                     packets=3, tcp_flags=SYN, flow_direction="egress")
    yield record("c", ("10.1.1.10", 47200), ("10.1.3.5", 5432), start=BEGIN + 3 * HOUR, packets=3, tcp_flags=SYN)
    yield record("n", ("10.1.3.5", 5432), ("10.1.1.10", 47200), start=BEGIN + 3 * HOUR, tcp_flags=SYN_ACK, action="REJECT")
    ends = ("10.1.1.10", 47300), ("10.1.9.9", 9000)
    yield from conversation(["c"], *ends, BEGIN + 5 * HOUR)
    yield record("fw1", *ends, start=BEGIN + 5 * HOUR)
    yield record("fw2", *reversed(ends), start=BEGIN + 5 * HOUR, tcp_flags=SERVER, bytes=1500)
    yield from conversation(["s"], ("10.1.1.20", 47400), ("192.0.2.203", 443), BEGIN + 1 * HOUR, pkt_srcaddr="10.1.4.4")
    yield record("c", ("10.1.1.10", 0), ("10.1.1.20", 0), start=BEGIN + 6 * HOUR, protocol=1, bytes=84)
    yield record("c", ("10.1.1.20", 0), ("10.1.1.10", 0), start=BEGIN + 6 * HOUR, protocol=1, bytes=84)
    yield record("c", ("10.1.1.10", 0), ("10.1.1.21", 0), start=BEGIN + 6 * HOUR, protocol=47, bytes=1400)


def planted():
    """Ordinary traffic and, for each query, what it must find."""
    records = [*ordinary(), *scans(), *departures(), *paths()]
    records += [empty("lost", "SKIPDATA", BEGIN + 8 * HOUR, lost=17), empty("lost", "SKIPDATA", BEGIN + 9 * HOUR, lost=5)]
    records += [empty("idle", "NODATA", BEGIN + 60 * minute) for minute in range(0, 1800, 60)]
    return sorted(records, key=lambda r: (r["start"], r["interface_id"], r["srcaddr"]))


def silent():
    """No traffic at all."""
    return [empty("idle", "NODATA", BEGIN + 60 * minute) for minute in range(5)]


def without_optional_fields(records):
    """The same in the default format: what it lacks is null."""
    return [{name: r[name] if name in DEFAULT else None for name in ALL} | {"version": 2} for r in records]


# ---- what the answers are ----


def iso(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


PRIVATE = [ipaddress.ip_network(block) for block in
           ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8", "fc00::/7",
            "fe80::/10")]


def inside(address):
    value = ipaddress.ip_address(address)
    return any(value in block for block in PRIVATE if block.version == value.version)


def network(address):
    value = ipaddress.ip_address(address)
    if value.version == 4:
        return str(ipaddress.ip_network(f"{address}/24", strict=False))
    return ":".join(value.exploded.split(":")[:4]) + "::/64"


def opens(r):
    if r["protocol"] == 6 and r["tcp_flags"] is not None:
        return bool(r["tcp_flags"] & 2) and not r["tcp_flags"] & 16
    return r["dstport"] < 32768 and not (r["srcport"] < 1024 <= r["dstport"])


def flows(records):
    return [r for r in records if r["srcaddr"] != "-"]


def total(records, column):
    values = [r[column] for r in records if r[column] is not None]
    return sum(values) if values else None


def rejects(records):
    return sum(r["action"] == "REJECT" for r in records)


def seen(records):
    return {"first_seen": iso(min(r["start"] for r in records)), "last_seen": iso(max(r["end"] for r in records))}


def groups(records, *key):
    """Lists of records with equal values; a key is a column or a function."""
    found = collections.defaultdict(list)
    for r in records:
        found[tuple(k(r) if callable(k) else r[k] for k in key)].append(r)
    return found.items()


def lowest(records, column):
    return " ".join(str(value) for value in sorted({r[column] for r in records})[:8])


def distinct(records, column):
    return len({r[column] for r in records})


def measures(records):
    return {"bytes": total(records, "bytes"), "packets": total(records, "packets"), "flows": len(records)}


def top_of(column):
    def answer(records):
        for (value,), rows in groups(flows(records), column):
            if value not in (None, "-"):
                ways = {way: total([r for r in rows if r["flow_direction"] == way], "bytes") for way in ("ingress", "egress")}
                yield {column: value, **measures(rows), "bytes_in": ways["ingress"], "bytes_out": ways["egress"],
                       "rejected": rejects(rows)}
    return answer


def packet_end(column):
    return lambda r: r["pkt_" + column] if r["pkt_" + column] not in (None, "-") else r[column]


def talkers(source, destination):
    def answer(records):
        ends = collections.defaultdict(lambda: [0, 0, 0, 0])
        for r in flows(records):
            for way, address in enumerate((source(r), destination(r))):
                ends[address][way] += r["bytes"]
                ends[address][2] += r["packets"]
                ends[address][3] += 1
        for address, (sent, received, packets, count) in ends.items():
            yield {"address": address, "bytes_sent": sent, "bytes_received": received, "bytes": sent + received,
                   "packets": packets, "flows": count}
    return answer


def pairs(source, destination):
    def answer(records):
        for (one, two), rows in groups(flows(records), source, destination):
            yield {"source": one, "destination": two, **measures(rows)}
    return answer


def traffic(condition):
    def answer(records):
        names = "srcaddr", "dstaddr", "dstport", "protocol", "action"
        for key, rows in groups([r for r in flows(records) if condition(r)], *names):
            yield {**dict(zip(names, key, strict=True)), **measures(rows), **seen(rows)}
    return answer


def family(name, version):
    def answer(records):
        rows = [r for r in flows(records) if ipaddress.ip_address(r["srcaddr"]).version == version]
        if rows:
            yield {"family": name, **measures(rows)}
    return answer


def protocols(records):
    names = {1: "ICMP", 6: "TCP", 17: "UDP", 47: "GRE"}
    for (protocol,), rows in groups(flows(records), "protocol"):
        yield {"protocol": protocol, "name": names.get(protocol, "-"), **measures(rows), "rejected": rejects(rows)}


def rejected(records):
    return [r for r in flows(records) if r["action"] == "REJECT"]


def rejected_by_port(records):
    for (port, protocol), rows in groups(rejected(records), "dstport", "protocol"):
        yield {"dstport": port, "protocol": protocol, "flows": len(rows), "packets": total(rows, "packets"),
               "sources": distinct(rows, "srcaddr"), "destinations": distinct(rows, "dstaddr")}


def rejected_by_source(records):
    for (source,), rows in groups(rejected(records), "srcaddr"):
        yield {"srcaddr": source, "flows": len(rows), "packets": total(rows, "packets"),
               "destinations": distinct(rows, "dstaddr"), "ports": distinct(rows, "dstport"), **seen(rows)}


def rejected_by_interface(records):
    for (interface,), rows in groups(flows(records), "interface_id"):
        if rejects(rows):
            yield {"interface_id": interface, "flows": len(rows), "rejected": rejects(rows),
                   "rejected_percent": 100 * rejects(rows) // len(rows),
                   "rejected_packets": total(rejected(rows), "packets")}


def ssh_rdp(records):
    rows = [r for r in flows(records) if r["dstport"] in (22, 3389) and r["protocol"] in (6, 17)]
    for (source, port, action), rows in groups(rows, "srcaddr", "dstport", "action"):
        yield {"srcaddr": source, "dstport": port, "action": action, "targets": distinct(rows, "dstaddr"), **measures(rows),
               **seen(rows)}


ADMIN = {22, 23, 135, 139, 445, 1433, 1521, 2375, 3306, 3389, 5432, 5900, 5985, 5986, 6379, 9200, 11211, 27017}


def admin_port_traffic(records):
    rows = [r for r in flows(records) if r["dstport"] in ADMIN and r["protocol"] in (6, 17)]
    for (source,), rows in groups(rows, "srcaddr"):
        yield {"srcaddr": source, **measures(rows), "rejected": rejects(rows), "ports": lowest(rows, "dstport")}


def open_admin_ports(records):
    rows = [r for r in flows(records) if r["dstport"] in ADMIN and r["protocol"] in (6, 17) and r["action"] == "ACCEPT"
            and opens(r) and inside(r["dstaddr"]) and not inside(r["srcaddr"])]
    for (destination, port, protocol), rows in groups(rows, "dstaddr", "dstport", "protocol"):
        yield {"dstaddr": destination, "dstport": port, "protocol": protocol, "sources": distinct(rows, "srcaddr"),
               "flows": len(rows), "bytes": total(rows, "bytes"), **seen(rows)}


def bucket(seconds):
    return lambda r: r["start"] // seconds * seconds


def probes(records):
    return [r for r in flows(records) if r["protocol"] in (6, 17) and opens(r)
            and (r["action"] == "REJECT" or r["packets"] <= 3)]


def port_scans(records):
    for (source, destination, at), rows in groups(probes(records), "srcaddr", "dstaddr", bucket(HOUR)):
        if distinct(rows, "dstport") >= 20:
            yield {"srcaddr": source, "dstaddr": destination, "since": iso(at), "ports": distinct(rows, "dstport"),
                   "flows": len(rows), "rejected": rejects(rows), "lowest_ports": lowest(rows, "dstport")}


def host_scans(records):
    for (source, port, protocol, at), rows in groups(probes(records), "srcaddr", "dstport", "protocol", bucket(HOUR)):
        if distinct(rows, "dstaddr") >= 20:
            yield {"srcaddr": source, "dstport": port, "protocol": protocol, "since": iso(at),
                   "hosts": distinct(rows, "dstaddr"), "flows": len(rows), "rejected": rejects(rows)}


def brute_force(records):
    ports = {21, 22, 23, 110, 143, 389, 445, 1433, 3306, 3389, 5432, 5900, 5985}
    rows = [r for r in flows(records) if r["protocol"] == 6 and r["dstport"] in ports and r["action"] == "ACCEPT" and opens(r)]
    for (source, destination, port, at), rows in groups(rows, "srcaddr", "dstaddr", "dstport", bucket(600)):
        attempts = distinct(rows, "srcport")
        if attempts >= 20:
            yield {"srcaddr": source, "dstaddr": destination, "dstport": port, "since": iso(at), "attempts": attempts,
                   "packets": total(rows, "packets"), "bytes_per_attempt": total(rows, "bytes") // attempts}


def first_seen(records):
    known = flows(records)
    if not known:
        return
    edge = max(r["start"] for r in known) - 24 * HOUR
    rows = [r for r in known if r["action"] == "ACCEPT" and opens(r) and inside(r["srcaddr"])]
    for (destination,), rows in groups(rows, "dstaddr"):
        first = min(r["start"] for r in rows)
        if first > edge >= min(r["start"] for r in known):
            yield {"dstaddr": destination, "first_seen": iso(first), "sources": distinct(rows, "srcaddr"),
                   "flows": len(rows), "bytes": total(rows, "bytes"), "ports": lowest(rows, "dstport")}


def unusual_volume(records):
    for (source,), rows in groups(flows(records), "srcaddr"):
        volumes = {at: total(part, "bytes") for (at,), part in groups(rows, bucket(HOUR))}
        for at, volume in volumes.items():
            others = [value for other, value in volumes.items() if other != at]
            if len(others) >= 3 and volume >= 1_000_000 and volume * len(others) >= 10 * sum(others):
                yield {"srcaddr": source, "since": iso(at), "bytes": volume, "usual_bytes": sum(others) // len(others)}


def exfiltration(records):
    ways = collections.defaultdict(lambda: [0, 0, []])
    for r in flows(records):
        if r["action"] == "ACCEPT" and inside(r["srcaddr"]) != inside(r["dstaddr"]):
            out = inside(r["srcaddr"])
            ends = (r["srcaddr"], r["dstaddr"]) if out else (r["dstaddr"], r["srcaddr"])
            way = ways[(*ends, r["interface_id"])]
            way[0 if out else 1] += r["bytes"]
            way[2].append(r)
    for (address, peer, interface), (sent, received, rows) in ways.items():
        if sent >= 100_000_000 and sent >= 10 * received:
            yield {"address": address, "peer": peer, "interface_id": interface, "bytes_sent": sent,
                   "bytes_received": received, **seen(rows)}


def beaconing(records):
    for key, rows in groups([r for r in flows(records) if opens(r)], "srcaddr", "dstaddr", "dstport", "protocol"):
        began = sorted({min(r["start"] for r in part) for _, part in groups(rows, "srcport")})
        gaps = [after - before for before, after in zip(began, began[1:], strict=False)]
        if len(began) < 10:
            continue
        mean = sum(gaps) / len(gaps)
        deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
        if mean >= 30 and 100 * deviation <= 10 * mean:
            yield {"srcaddr": key[0], "dstaddr": key[1], "dstport": key[2], "protocol": key[3], "times": len(began),
                   "period_seconds": int(mean + 0.5), "jitter_percent": int(100 * deviation / mean + 0.5),
                   "first_seen": iso(began[0]), "last_seen": iso(began[-1])}


def east_west(records):
    rows = [r for r in flows(records) if inside(r["srcaddr"]) and inside(r["dstaddr"])]
    for (one, two), rows in groups(rows, lambda r: network(r["srcaddr"]), lambda r: network(r["dstaddr"])):
        if one != two:
            yield {"source_network": one, "destination_network": two, **measures(rows), "rejected": rejects(rows),
                   "sources": distinct(rows, "srcaddr"), "destinations": distinct(rows, "dstaddr")}


def address_timeline(records):
    address = "10.1.1.10"
    for (at,), rows in groups([r for r in flows(records) if address in (r["srcaddr"], r["dstaddr"])], bucket(300)):
        yield {"since": iso(at), "bytes_sent": sum(r["bytes"] for r in rows if r["srcaddr"] == address),
               "bytes_received": sum(r["bytes"] for r in rows if r["dstaddr"] == address),
               "packets": total(rows, "packets"), "flows": len(rows), "rejected": rejects(rows)}


def interface_timeline(records):
    for (at,), rows in groups([r for r in flows(records) if r["interface_id"] == "c"], bucket(300)):
        yield {"since": iso(at), **measures(rows), "rejected": rejects(rows),
               "bytes_in": total([r for r in rows if r["flow_direction"] == "ingress"], "bytes"),
               "bytes_out": total([r for r in rows if r["flow_direction"] == "egress"], "bytes")}


def bytes_per_minute(records):
    for (at,), rows in groups(flows(records), bucket(60)):
        yield {"since": iso(at), **measures(rows), "bits_per_second": total(rows, "bytes") * 8 // 60,
               "rejected": rejects(rows)}


def conversations(records, source, destination):
    """Both ways of each TCP conversation, by its ends in order."""
    both = collections.defaultdict(lambda: ([], []))
    for r in flows(records):
        if r["protocol"] == 6:
            ends = (source(r), r["srcport"]), (destination(r), r["dstport"])
            both[tuple(sorted(ends))][ends[0] > ends[1]].append(r)
    return both.items()


def unanswered(records):
    silence = collections.defaultdict(list)
    for ends, both in conversations(records, lambda r: r["srcaddr"], lambda r: r["dstaddr"]):
        for way in (0, 1):
            requests, answers = both[way], both[1 - way]
            if any(map(opens, requests)) and not rejects(requests) and rejects(answers) == len(answers):
                silence[(ends[way][0], *ends[1 - way])].append((requests, answers))
    for (source, destination, port), found in silence.items():
        rows = [r for requests, answers in found for r in requests + answers]
        yield {"srcaddr": source, "dstaddr": destination, "dstport": port, "connections": len(found),
               "packets": sum(total(requests, "packets") for requests, _ in found),
               "rejected_answers": sum(total(answers, "packets") or 0 for _, answers in found), **seen(rows)}


def asymmetric(records):
    halves = collections.defaultdict(lambda: [0, 0, 0])
    accepted = [r for r in flows(records) if r["action"] == "ACCEPT"]
    for ends, both in conversations(accepted, packet_end("srcaddr"), packet_end("dstaddr")):
        for interface in {r["interface_id"] for way in both for r in way}:
            here = [[r for r in way if r["interface_id"] == interface] for way in both]
            for way in (0, 1):
                if here[way] and not here[1 - way] and both[1 - way]:
                    half = halves[(interface, ends[way][0], ends[1 - way][0])]
                    half[0] += 1
                    half[1] += total(here[way], "packets")
                    half[2] += total(both[1 - way], "packets")
    for (interface, source, destination), (count, here, elsewhere) in halves.items():
        yield {"interface_id": interface, "source": source, "destination": destination, "conversations": count,
               "packets_here": here, "packets_elsewhere": elsewhere}


def health(records):
    for (interface,), rows in groups(records, "interface_id"):
        lost = [r for r in rows if r["log_status"] == "SKIPDATA"]
        idle = [r for r in rows if r["log_status"] == "NODATA"]
        if lost or idle:
            yield {"interface_id": interface, "skipdata": len(lost), "lost_packets": total(lost, "x_lost_packets"),
                   "nodata": len(idle), "records": len(rows), "last_seen": iso(max(r["end"] for r in rows))}


def delivery_lag(records):
    newest = max(r["end"] for r in records)
    for (interface,), rows in groups(records, "interface_id"):
        last = max(r["end"] for r in rows)
        if NOW - last >= 12 * HOUR:
            yield {"interface_id": interface, "last_seen": iso(last), "seconds_ago": NOW - last,
                   "seconds_behind_newest": newest - last, "records": len(rows)}


@dataclasses.dataclass
class Question:
    """A named query with parameters, its answer, a row that is planted, and where it must find nothing."""

    answer: object
    planted: dict  # part of a row that must be there
    parameters: tuple = ()
    quiet: object = ordinary
    quiet_parameters: tuple = None
    needs: tuple = ()  # fields that the default format lacks, without which there is no answer


def tcp(action):
    return traffic(lambda r: r["protocol"] == 6 and r["action"] == action)


SOURCE, DESTINATION = (lambda r: r["srcaddr"]), (lambda r: r["dstaddr"])
HOST, NOBODY = ("address=10.1.1.30",), ("address=10.99.99.99",)

QUESTIONS = {
    "top-talkers": Question(talkers(SOURCE, DESTINATION), {"address": "10.1.1.30", "bytes_sent": 200_002_000}, quiet=silent),
    "top-talkers-packet": Question(talkers(packet_end("srcaddr"), packet_end("dstaddr")), {"address": "10.1.1.30"},
                                   quiet=silent),
    "top-interfaces": Question(top_of("interface_id"), {"interface_id": "b"}, quiet=silent),
    "top-subnets": Question(top_of("subnet_id"), {"subnet_id": "subnet-b"}, quiet=silent, needs=("subnet_id",)),
    "top-instances": Question(top_of("instance_id"), {"instance_id": "i-b"}, quiet=silent, needs=("instance_id",)),
    "top-pairs": Question(pairs(SOURCE, DESTINATION), {"source": "10.1.1.30", "destination": "192.0.2.201"}, quiet=silent),
    "top-pairs-packet": Question(pairs(packet_end("srcaddr"), packet_end("dstaddr")), {"source": "10.1.1.30"}, quiet=silent),
    "protocols": Question(protocols, {"name": "GRE", "bytes": 1400}, quiet=silent),
    "ipv4-bytes": Question(family("IPv4", 4), {"family": "IPv4"}, quiet=silent),
    "ipv6-bytes": Question(family("IPv6", 6), {"family": "IPv6", "flows": 4}),
    "rejected-by-port": Question(rejected_by_port, {"dstport": 445, "flows": 13}),
    "rejected-by-source": Question(rejected_by_source, {"srcaddr": "203.0.113.9", "ports": 30}),
    "rejected-by-interface": Question(rejected_by_interface, {"interface_id": "x", "rejected_percent": 52}),
    "rejected": Question(traffic(lambda r: r["action"] == "REJECT"), {"srcaddr": "10.1.3.5", "dstport": 47200}),
    "rejected-tcp": Question(tcp("REJECT"), {"srcaddr": "203.0.113.9", "dstport": 30}),
    "accepted-tcp": Question(tcp("ACCEPT"), {"dstaddr": "192.0.2.201", "bytes": 200_000_000}, quiet=silent),
    "tcp-from": Question(traffic(lambda r: r["protocol"] == 6 and r["srcaddr"] == "10.1.1.30"), {"dstaddr": "192.0.2.201"},
                         HOST, quiet_parameters=NOBODY),
    "traffic-from": Question(traffic(lambda r: r["srcaddr"] == "10.1.1.30"), {"dstaddr": "192.0.2.201"}, HOST,
                             quiet_parameters=NOBODY),
    "traffic-to": Question(traffic(lambda r: r["dstaddr"] == "10.1.1.30"), {"srcaddr": "192.0.2.201"}, HOST,
                           quiet_parameters=NOBODY),
    "ssh-rdp": Question(ssh_rdp, {"srcaddr": "198.51.100.99", "flows": 25}, quiet_parameters=("ports=3389",)),
    "admin-port-traffic": Question(admin_port_traffic, {"srcaddr": "10.1.1.66", "ports": "445"},
                                   quiet_parameters=("ports=3389,5432",)),
    "open-admin-ports": Question(open_admin_ports, {"dstaddr": "fd00:1::10", "dstport": 3389}),
    "port-scans": Question(port_scans, {"srcaddr": "203.0.113.9", "ports": 30, "lowest_ports": "1 2 3 4 5 6 7 8"}),
    "host-scans": Question(host_scans, {"srcaddr": "10.1.1.66", "hosts": 25, "rejected": 13}),
    "brute-force": Question(brute_force, {"srcaddr": "198.51.100.99", "attempts": 25}),
    "first-seen": Question(first_seen, {"dstaddr": "192.0.2.200"}),
    "unusual-volume": Question(unusual_volume, {"srcaddr": "10.1.1.30", "bytes": 200_000_000}),
    "exfiltration": Question(exfiltration, {"address": "10.1.1.30", "peer": "192.0.2.201"}),
    "beaconing": Question(beaconing, {"dstaddr": "192.0.2.202", "times": 30, "period_seconds": 300}),
    "east-west": Question(east_west, {"source_network": "fd00:0001:0000:0000::/64"}),
    "address-timeline": Question(address_timeline, {"since": iso(NEWEST)}, ("address=10.1.1.10",), quiet_parameters=NOBODY),
    "interface-timeline": Question(interface_timeline, {"since": iso(NEWEST)}, ("interface=c",),
                                   quiet_parameters=("interface=eni-0a",)),
    "bytes-per-minute": Question(bytes_per_minute, {"since": iso(NEWEST - 1500), "bytes": 50_100_000}, quiet=silent),
    "unanswered": Question(unanswered, {"dstaddr": "10.1.3.5", "rejected_answers": 5}),
    "asymmetric": Question(asymmetric, {"interface_id": "fw1", "packets_elsewhere": 10}),
    "health": Question(health, {"interface_id": "lost", "skipdata": 2}),
    "delivery-lag": Question(delivery_lag, {"interface_id": "lost"}, ("min-lag=12h", f"now={NOW}")),
}


def comparable(rows):
    """Rows without regard to their order, values as text: 7 and 7.0 are the same."""
    def text(value):
        return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    return sorted(sorted((name, text(value)) for name, value in row.items()) for row in rows)
