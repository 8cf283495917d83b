# SPDX-License-Identifier: Apache-2.0
"""flowlogd delivers what it captures to S3: the bucket holds every packet once, also when the daemon was killed or the
service was away."""

import gzip

import pytest

import services

from . import traffic
from .daemon import ACCEPT, INGRESS, Flow, interface, totals
from .traffic import UDP

PORT, PAYLOAD = 4343, 101
BUCKET = "flow-logs"


class Bucket:
    """moto in a namespace, with one bucket."""

    def __init__(self, namespace, log_path, port):
        self.namespace = namespace
        self.moto = services.Moto(log_path, port=port, namespace=namespace)
        with namespace.entered():
            client = services.client("s3", self.moto.endpoint)
            client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": services.REGION})

    def records(self):
        found = []
        with self.namespace.entered():
            client = services.client("s3", self.moto.endpoint)
            for item in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
                data = client.get_object(Bucket=BUCKET, Key=item["Key"])["Body"].read()
                header, *lines = gzip.decompress(data).decode("ascii").splitlines()
                found += [dict(zip(header.split(), line.split(), strict=True)) for line in lines]
        return found

    def keys_by_command(self):
        with self.namespace.entered():
            listed = services.aws(self.moto.endpoint, "s3", "ls", "--recursive", f"s3://{BUCKET}/p/")
        return [line.split()[3] for line in listed.splitlines()]


@pytest.fixture
def scene(host, start, tmp_path, monkeypatch):
    """(start the daemon, start the bucket): neither runs at first."""
    for name, value in services.credentials().items():
        monkeypatch.setenv(name, value)
    endpoint = "http://127.0.0.1:5000"
    entry = {"name": "s3", "interval": 60, "format": "all", "destination": f"s3://{BUCKET}/p", "endpoint": endpoint}
    buckets = []

    def start_bucket():
        buckets.append(Bucket(host.host, tmp_path / "moto.log", 5000))
        return buckets[0]

    yield lambda: start(host.host, [interface("eth0")], flow_logs=[entry]), start_bucket
    for bucket in buckets:
        bucket.moto.close()


def expected(ends, packets):
    return {Flow("eth0", INGRESS, ends.a, ends.b, 40000, PORT, UDP, ACCEPT): (packets, ends.udp_bytes(packets, PAYLOAD))}


def test_every_packet_is_in_the_bucket_after_a_kill(host, scene):
    start_daemon, start_bucket = scene
    bucket, daemon, ends = start_bucket(), start_daemon(), host.ends(4)
    with traffic.UdpSink(host.host, ends.b, PORT):
        traffic.udp(host.client, ends.a, ends.b, PORT, 31, PAYLOAD)
        daemon.kill()
        traffic.udp(host.client, ends.a, ends.b, PORT, 41, PAYLOAD)
        daemon.start()
        traffic.udp(host.client, ends.a, ends.b, PORT, 59, PAYLOAD)
        traffic.settle(host.host, host.client)
        daemon.stop()
    assert totals(bucket.records(), daemon.devices) == expected(ends, 31 + 41 + 59), daemon.log()
    keys = bucket.keys_by_command()
    assert keys and all(key.startswith("p/AWSLogs/123456789012/vpcflowlogs/eu-central-1/") for key in keys)


def test_what_the_service_could_not_take_comes_with_the_next_start(host, scene):
    start_daemon, start_bucket = scene
    daemon, ends = start_daemon(), host.ends(6)
    with traffic.UdpSink(host.host, ends.b, PORT):
        traffic.udp(host.client, ends.a, ends.b, PORT, 37, PAYLOAD)
        traffic.settle(host.host, host.client)
        daemon.stop()
    assert "127.0.0.1 port 5000" in daemon.log(), daemon.log()
    bucket = start_bucket()
    daemon.start()
    daemon.stop()
    assert totals(bucket.records(), daemon.devices) == expected(ends, 37), daemon.log()
    for secret in services.credentials().values():
        assert secret not in daemon.log()
