# SPDX-License-Identifier: Apache-2.0
"""As many flow logs of one interface as AWS lets a resource have: each records by itself."""

import signal

import pytest

from . import lab, traffic
from .daemon import ACCEPT, INGRESS, REJECT, Flow, interface, interface_id, read_records, totals
from .ec2 import Ec2
from .traffic import UDP

MAX = 250  # of a resource, as on AWS
ENI = interface_id("eth0")
TYPES = ("ALL", ACCEPT, REJECT)
OPEN, DROPPED = 4444, 4445
FIELDS = ("interface-id", "flow-direction", "pkt-srcaddr", "pkt-dstaddr", "srcport", "dstport", "protocol", "action",
          "packets", "bytes", "log-status")
FORMAT = " ".join(f"${{{name}}}" for name in FIELDS)
STUCK = 199  # in another word of the bits that tell who has a window than the first

pytestmark = pytest.mark.usefixtures("needs_daemon")


def made_by_api(store, number):
    return {"ResourceType": "NetworkInterface", "ResourceIds": [ENI], "TrafficType": "ALL", "LogDestinationType": "s3",
            "LogDestination": f"file://{store}/{number}", "MaxAggregationInterval": 60, "LogFormat": FORMAT}


def send(host, ends):
    """A known number of packets that are let in, and of others that are not; the flows."""
    host.host.nft(f"table inet t {{ chain c {{ type filter hook input priority 0; udp dport {DROPPED} drop\n}}\n}}")
    with traffic.UdpSink(host.host, ends.b, OPEN):
        traffic.udp(host.client, ends.a, ends.b, OPEN, 127, 100)
        traffic.udp(host.client, ends.a, ends.b, DROPPED, 13, 100)
        traffic.settle(host.host, host.client)
    return {Flow("eth0", INGRESS, ends.a, ends.b, 40000, port, UDP, action): (count, ends.udp_bytes(count, 100))
            for port, count, action in ((OPEN, 127, ACCEPT), (DROPPED, 13, REJECT))}


def stop_obstructed(daemon, name):
    """SIGTERM while a file stands where the flow log's spool is; it goes when the daemon has met it."""
    flow_log = next(log for log in daemon.status()[0]["flow-logs"] if log["name"] == name)
    spool = daemon.state / "spool" / flow_log["id"]
    aside = spool.with_suffix(".aside")
    spool.rename(aside)
    spool.write_bytes(b"")
    daemon.signal(signal.SIGTERM)
    lab.wait_for(lambda: "the window is kept and tried again" in daemon.log(), timeout=10, what="a spool that fails")
    spool.unlink()
    aside.rename(spool)
    daemon.stop()


def test_as_many_as_of_a_resource_on_aws(host, start, tmp_path):
    store = tmp_path / "store"
    daemon = start(host.host, [interface("eth0")], begin=False)
    declared = [daemon.flow_log(f"log{number}", resource=ENI, format=FORMAT, traffic_type=TYPES[number % 3],
                                destination=f"file://{store}/{number}") for number in range(MAX - 1)]
    daemon.configure([interface("eth0")], flow_logs=declared, store=store)
    daemon.start()
    ec2 = Ec2(host.host)
    last = ec2.create_flow_logs(**made_by_api(store, MAX - 1))
    assert len(last["FlowLogIds"]) == 1 and not last["Unsuccessful"]
    with ec2.refused("FlowLogsLimitExceeded", "250"):
        ec2.create_flow_logs(**made_by_api(store, MAX))
    flows = send(host, host.ends(4))
    stop_obstructed(daemon, f"log{STUCK}")
    for number in range(MAX):
        kind = TYPES[number % 3] if number < MAX - 1 else "ALL"
        expected = {flow: counts for flow, counts in flows.items() if kind in ("ALL", flow.action)}
        assert totals(read_records(store / str(number)), daemon.devices) == expected, (number, daemon.log())
    assert not (store / str(MAX)).exists()
    daemon.start()
    assert len(daemon.status()[0]["flow-logs"]) == MAX
    daemon.stop()
