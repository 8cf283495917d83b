# SPDX-License-Identifier: Apache-2.0
"""Real traffic to log groups, Firehose and Kafka; the file of the same flow log is the witness."""

import collections
import json

import pytest

import kafka_broker
import services

from . import traffic
from .daemon import interface, interface_id, read_records

FORMAT = "${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} ${bytes} ${start} ${end}"
FORMAT += " ${action} ${log-status}"
START = 8  # of the columns
PACKETS = 101


@pytest.fixture
def moto_inside(host, tmp_path, monkeypatch):
    """moto in the namespace of the daemon; the keys that both use."""
    for name, value in services.credentials().items():
        monkeypatch.setenv(name, value)
    server = services.Moto(tmp_path / "moto.log", namespace=host.host)
    yield server
    server.close()


@pytest.fixture
def broker_inside(host, tmp_path):
    made = kafka_broker.Broker(tmp_path / "kafka", namespace=host.host)
    yield made
    made.close()


def file_lines(directory):
    return [" ".join(record.values()) for record in read_records(directory)]


def log_events(client, group):
    """{stream: events} of a group, each in the service's order."""
    streams = client.describe_log_streams(logGroupName=group)["logStreams"]
    found = {}
    for stream in streams:
        page = client.get_log_events(
            logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True, limit=10000
        )
        found[stream["logStreamName"]] = page["events"]
    return found


def firehose_messages(client, bucket):
    decoder, messages = json.JSONDecoder(), []
    for item in client.list_objects_v2(Bucket=bucket)["Contents"]:
        text, at = client.get_object(Bucket=bucket, Key=item["Key"])["Body"].read().decode(), 0
        while at < len(text):
            record, at = decoder.raw_decode(text, at)
            messages.append(record["message"])
    return messages


def make_stream(endpoint, name):
    s3 = services.client("s3", endpoint)
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": services.REGION})
    services.client("firehose", endpoint).create_delivery_stream(
        DeliveryStreamName=name,
        ExtendedS3DestinationConfiguration={
            "RoleARN": "arn:aws:iam::123456789012:role/r",
            "BucketARN": f"arn:aws:s3:::{name}",
        },
    )
    return s3


def check_groups(endpoint, expected, rejected):
    """Every stream of every group holds what the file says of its interface, at the time the record began."""
    logs = services.client("logs", endpoint)
    for group, suffix, lines in (("flows", "all", expected), ("denied", "reject", rejected)):
        found = log_events(logs, group)
        per_stream = collections.defaultdict(list)
        for line in lines:
            per_stream[f"{line.split(' ')[0]}-{suffix}"].append(line)
        assert {name: sorted(event["message"] for event in events) for name, events in found.items()} == {
            name: sorted(lines) for name, lines in per_stream.items()
        }
        for events in found.values():
            assert all(event["timestamp"] == int(event["message"].split(" ")[START]) * 1000 for event in events)
    by_command = json.loads(
        services.aws(endpoint, "logs", "filter-log-events", "--log-group-name", "flows", "--output", "json")
    )
    assert sorted(event["message"] for event in by_command["events"]) == sorted(expected)


def flow_log(name, destination, **options):
    entry = {"name": name, "interval": 60, "format": FORMAT, "destination": destination}
    return entry | {key.replace("_", "-"): value for key, value in options.items()}


def test_streams_hold_what_the_file_holds(host, start, tmp_path, moto_inside, broker_inside):
    endpoint = moto_inside.endpoint
    broker_inside.make_topic("flows", partitions=3)
    with host.host.entered():
        objects = make_stream(endpoint, "flow-stream")
    host.host.nft("table inet t { chain c { type filter hook input priority 0; udp dport 9 drop; }; }")
    arn = "arn:aws:firehose:eu-central-1:123456789012:deliverystream/flow-stream"
    daemon = start(
        host.host,
        [interface("eth0")],
        flow_logs=[
            flow_log("file", f"file://{tmp_path}/all"),
            flow_log("denied-file", f"file://{tmp_path}/denied", traffic_type="REJECT"),
            flow_log("logs", "cloudwatch:flows", endpoint=endpoint),
            flow_log("denied", "cloudwatch:denied", traffic_type="REJECT", endpoint=endpoint),
            flow_log("firehose", arn, endpoint=endpoint),
            flow_log("kafka", f"kafka://{broker_inside.address}/flows"),
        ],
    )
    ends = host.ends(4)
    with traffic.UdpSink(host.host, ends.b, 5353):
        traffic.udp(host.client, ends.a, ends.b, 5353, PACKETS, 100)
        traffic.udp(host.client, ends.a, ends.b, 9, PACKETS, 100)
        for port in range(1000, 1013):
            traffic.udp(host.client, ends.a, ends.b, 5353, 1, 10, source_port=port)
        traffic.settle(host.host)
    daemon.stop()
    expected, rejected = file_lines(tmp_path / "all"), file_lines(tmp_path / "denied")
    assert sum(int(line.split(" ")[6]) for line in rejected if line.endswith("REJECT OK")) == PACKETS
    assert len(expected) > 13
    with host.host.entered():
        check_groups(endpoint, expected, rejected)
        assert sorted(firehose_messages(objects, "flow-stream")) == sorted(expected)
    messages = broker_inside.read("flows")
    assert sorted(line for _, _, line in messages) == sorted(expected)
    assert {key for _, key, _ in messages} == {interface_id("eth0")}
