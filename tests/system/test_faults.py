# SPDX-License-Identifier: Apache-2.0
"""Every kind of misbehaviour of an endpoint, for each destination behind one; in the end the account closes.

Behind the endpoint that misbehaves stands moto, so what has arrived is what a service holds.
"""

import collections
import contextlib
import gzip
import hashlib
import json
import random

import pytest

import fault_endpoint
import services
from delivering import PART, Delivery, finish, interface, number, put

BATCHES, RECORDS = 40, 500
COUNT = BATCHES * RECORDS
DELIVERED, RETRY = 0, 1  # enum outcome_kind


class Service:
    options = {}
    named = False  # what comes again replaces what was there
    outage_records = RECORDS  # of a batch, so that all together do not fit into the spool


class CloudWatch(Service):
    destination = "cloudwatch:{name}"

    def __init__(self, moto, name):
        self.client, self.name = services.client("logs", moto.endpoint), name

    def lines(self):
        """Every event of every stream, which is its interface's."""
        for stream in self.client.describe_log_streams(logGroupName=self.name)["logStreams"]:
            name, token = stream["logStreamName"], None
            while True:
                options = {"nextToken": token} if token else {}
                page = self.client.get_log_events(
                    logGroupName=self.name, logStreamName=name, startFromHead=True, limit=10000, **options
                )
                if page["nextForwardToken"] == token:
                    break
                token = page["nextForwardToken"]
                for event in page["events"]:
                    assert name == interface(event["message"]) + "-all"
                    assert event["timestamp"] == int(event["message"].split(" ")[10]) * 1000
                    yield event["message"]


class Objects(Service):
    """A bucket of its own."""

    def __init__(self, moto, name):
        self.client, self.name = services.client("s3", moto.endpoint), name
        self.client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": services.REGION})

    def objects(self):
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name):
            for item in page.get("Contents", []):
                key = item["Key"]
                yield key, self.client.get_object(Bucket=self.name, Key=key)["Body"].read()


class Firehose(Objects):
    destination = "firehose:{name}"

    def __init__(self, moto, name):
        super().__init__(moto, name)
        firehose = services.client("firehose", moto.endpoint)
        bucket = {"RoleARN": "arn:aws:iam::123456789012:role/r", "BucketARN": f"arn:aws:s3:::{name}"}
        firehose.create_delivery_stream(DeliveryStreamName=name, ExtendedS3DestinationConfiguration=bucket)

    def lines(self):
        """moto puts the records of a call behind each other into an object."""
        decoder = json.JSONDecoder()
        for _, data in self.objects():
            text, at = data.decode(), 0
            while at < len(text):
                record, at = decoder.raw_decode(text, at)
                assert list(record) == ["message"]
                yield record["message"]


class S3(Objects):
    destination = "s3://{name}/logs"
    options = {"publish_interval": "1m"}  # an object for each batch
    named = True
    outage_records = 10 * RECORDS  # compressed
    signed = {}  # what the endpoint in front has seen

    def lines(self):
        """Of objects whose bytes are those that the sender signed."""
        for key, data in self.objects():
            assert hashlib.sha256(data).hexdigest() == self.signed[f"/{self.name}/{key}"]
            header, *records = gzip.decompress(data).decode("ascii").splitlines()
            assert header.startswith("version account-id interface-id "), header
            yield from records


KINDS = {"cloudwatch": CloudWatch, "firehose": Firehose, "s3": S3}


class Scene:
    """A destination, an endpoint in front of it that has no faults yet, and what is delivered through it."""

    def __init__(self, kind, folder, moto, **options):
        name = f"faults-{kind}-{folder.name[-12:]}".replace("_", "-")
        self.service = KINDS[kind](moto, name)
        self.endpoint = fault_endpoint.FaultEndpoint(moto.port, [])
        self.service.signed = self.endpoint.signed
        options |= self.service.options | {"endpoint": self.endpoint.endpoint}
        self.delivery = Delivery(folder / kind, self.service.destination.format(name=name), **options)

    def check(self, counts):
        assert counts["delivered"] == COUNT, counts
        met = self.endpoint.counts
        assert not self.endpoint.plan and all(met[fault] for fault in fault_endpoint.FAULTS), met
        numbers = collections.Counter(map(number, self.service.lines()))
        assert sorted(numbers) == list(range(COUNT))
        # Repeated is only what a call had carried out whose answer did not come back, and only where the service
        # knows no name by which a repetition could be told.
        lost = 0 if self.service.named else sum(met[fault] for fault in ("lost answer", "cut answer"))
        assert numbers.total() - COUNT <= lost * RECORDS, numbers.total()


def check_parts(folder, moto):
    """Every fault but the stall at each step of an upload in parts: the object is there in the end, and no part."""
    path, bucket = folder / "object", Objects(moto, "faults-parts")
    path.write_bytes(random.Random(7).randbytes(PART + 4711))
    endpoint = fault_endpoint.FaultEndpoint(moto.port, [])
    keys = set()
    with contextlib.closing(endpoint):
        for step, before in {"begin": 0, "part": 2, "complete": 3}.items():
            for fault in fault_endpoint.FAULTS:
                if fault == "stall":
                    continue
                endpoint.plan += [*[None] * before, fault]
                key = f"AWSLogs/{step}-{fault.replace(' ', '-')}.log.gz"
                keys.add(key)
                outcomes = [put(endpoint.endpoint, "faults-parts", path, key=key)]
                if outcomes[0]["kind"] == RETRY:
                    outcomes.append(put(endpoint.endpoint, "faults-parts", path, key=key))
                assert outcomes[-1]["kind"] == DELIVERED and not endpoint.plan, (key, outcomes)
    assert "Uploads" not in bucket.client.list_multipart_uploads(Bucket="faults-parts")
    found = {key: hashlib.sha256(data).digest() for key, data in bucket.objects()}
    assert found == dict.fromkeys(keys, hashlib.sha256(path.read_bytes()).digest())


def test_every_fault_at_every_destination(tmp_path, moto):
    """All destinations at once, as a stall takes the client half a minute."""
    scenes = [Scene(kind, tmp_path, moto) for kind in KINDS]
    try:
        for scene in scenes:
            for fault in fault_endpoint.FAULTS:  # with a good call between them
                scene.endpoint.plan += [fault, None] if fault == "stall" else [fault, None, fault, None]
        probes = [scene.delivery.start(BATCHES, RECORDS, wait_s=100) for scene in scenes]
        check_parts(tmp_path, moto)
        for scene, probe in zip(scenes, probes, strict=True):
            scene.check(finish(probe))
    finally:
        for scene in scenes:
            scene.endpoint.close()


@pytest.mark.parametrize("kind", KINDS)
def test_an_endpoint_that_is_dead_for_long(kind, tmp_path, moto):
    """The spool is bounded. What it gives up is counted, and the log itself tells how many packets it lacks."""
    fields = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action"
    names = [*fields.split(), "log-status", "x-lost-packets", "x-drop-reason"]
    scene = Scene(kind, tmp_path, moto, spool={"max-size": "1M"}, format=" ".join(f"${{{name}}}" for name in names))
    try:
        scene.endpoint.broken = True
        counts = scene.delivery.run(BATCHES, scene.service.outage_records, wait_s=1)
        assert counts["delivered"] == 0 and counts["failures"] > 0, counts
        assert counts["given-up"] > 0 and counts["waiting"] > 0, counts
        scene.endpoint.broken = False
        for _ in range(2):  # the second tells what the first had to give up
            counts = scene.delivery.run(1, RECORDS)
            assert counts["waiting"] == 0, counts
        records = [dict(zip(names, line.split(" "), strict=True)) for line in scene.service.lines()]
        delivered = sum(record["log-status"] == "OK" for record in records)
        lost = sum(int(record["x-lost-packets"]) for record in records if record["log-status"] == "SKIPDATA")
        assert delivered > 0 and lost > 0
        assert {record["x-drop-reason"] for record in records if record["log-status"] == "SKIPDATA"} == {"NOT_DELIVERED"}
        assert delivered + lost == BATCHES * scene.service.outage_records + 2 * RECORDS
    finally:
        scene.endpoint.close()
