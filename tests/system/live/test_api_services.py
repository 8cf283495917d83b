# SPDX-License-Identifier: Apache-2.0
"""Flow logs made through the API deliver to S3 and CloudWatch Logs, and the template made for one lets SQL read it."""

import datetime
import gzip
import io
import json
import pathlib
import re
import subprocess
import sys
import urllib.parse

import duckdb
import pyarrow.parquet
import pytest

import services

from . import traffic
from .daemon import interface
from .ec2 import Ec2

ENDPOINT, PORT, PAYLOAD, PACKETS = "http://127.0.0.1:5000", 4343, 101, 61
ROLE = "arn:aws:iam::123456789012:role/flow"
FORMAT = ("${version} ${subnet-id} ${instance-id} ${srcaddr} ${dstaddr} ${pkt-srcaddr} ${pkt-dstaddr} ${srcport} ${dstport} "
          "${protocol} ${packets} ${bytes} ${start} ${end} ${type} ${action} ${log-status} ${flow-direction} ${srcaddr}")
SUBNETS = {"subnets": [{"subnet-id": "subnet-0a", "vpc-id": "vpc-0a", "cidr": "10.77.1.0/24", "az-id": "lab-az1"}]}
ALL_QUERIES = 16


class World:
    def __init__(self, host, start, tmp_path):
        self.host = host
        self.moto = services.Moto(tmp_path / "moto.log", port=5000, namespace=host.host)
        for bucket in ("flow-logs", "templates"):
            self.call("s3", "create_bucket", Bucket=bucket,
                      CreateBucketConfiguration={"LocationConstraint": services.REGION})
        kinds = [{"type": "s3", "endpoint": ENDPOINT}, {"type": "cloud-watch-logs", "endpoint": ENDPOINT}]
        self.daemon = start(host.host, [interface("eth0")], topology=SUBNETS, keys={"api-destinations": kinds})
        self.ec2 = Ec2(host.host)

    def call(self, service, name, **parameters):
        with self.host.host.entered():
            return getattr(services.client(service, ENDPOINT), name)(**parameters)

    def create(self, **options):
        return self.ec2.create_flow_logs(ResourceType="Subnet", ResourceIds=["subnet-0a"], TrafficType="ALL",
                                         MaxAggregationInterval=60, **options)["FlowLogIds"][0]

    def to_bucket(self, prefix, **options):
        parameters = {"LogDestinationType": "s3", "LogDestination": f"arn:aws:s3:::flow-logs/{prefix}/"}
        return self.create(**parameters, DestinationOptions=options, LogFormat=FORMAT)

    def objects(self, prefix):
        """Key and bytes of what lies below a prefix."""
        for item in self.call("s3", "list_objects_v2", Bucket="flow-logs", Prefix=f"{prefix}/").get("Contents", []):
            with self.host.host.entered():
                client = services.client("s3", ENDPOINT)
                yield item["Key"], client.get_object(Bucket="flow-logs", Key=item["Key"])["Body"].read()

    def template(self, flow_log_id, *integrations, place="arn:aws:s3:::templates/made here/"):
        """As it lies in the bucket that the answer's URL names."""
        result = self.ec2.get_flow_logs_integration_template(
            FlowLogId=flow_log_id, ConfigDeliveryS3DestinationArn=place, IntegrateServices={
                "AthenaIntegrations": list(integrations) or [DAILY]})["Result"]
        prefix = f"{ENDPOINT}/templates/made%20here/VPCFlowLogsIntegrationTemplate_{flow_log_id}_"
        assert result.startswith(prefix) and result.endswith(".json"), result
        key = urllib.parse.unquote(result.removeprefix(f"{ENDPOINT}/templates/"))
        with self.host.host.entered():
            return json.load(services.client("s3", ENDPOINT).get_object(Bucket="templates", Key=key)["Body"])


DAILY = {"IntegrationResultS3DestinationArn": "arn:aws:s3:::results/athena", "PartitionLoadFrequency": "daily"}


@pytest.fixture
def world(host, start, tmp_path, monkeypatch):
    for name, value in services.credentials().items():
        monkeypatch.setenv(name, value)
    made = World(host, start, tmp_path)
    yield made
    made.moto.close()


class Athena:
    """Reads what a template's table describes as Athena does: the partitions that are projected, and no others."""

    def __init__(self, template):
        self.resources = template["Resources"]
        table = self.resources["Table1"]["Properties"]["TableInput"]
        self.name, self.storage = table["Name"], table["StorageDescriptor"]
        self.parameters, self.keys = table["Parameters"], [key["Name"] for key in table["PartitionKeys"]]
        self.connection = duckdb.connect()

    def _pattern(self):
        kind, (separator, pieces) = next(iter(self.parameters["storage.location.template"].items()))
        assert (kind, separator) == ("Fn::Join", "")
        pattern = re.escape("".join(pieces).removeprefix("s3://flow-logs/"))
        for number, key in enumerate(self.keys):
            marker = re.escape("${" + key + "}")
            assert pattern.count(marker) == 1
            pattern = pattern.replace(marker, f"(?P<k{number}>.+)")
        return pattern + "[^/]+"

    def _is_projected(self, key, value):
        kind = self.parameters[f"projection.{key}.type"]
        if kind == "enum":
            return value in self.parameters[f"projection.{key}.values"].split(",")
        low, high = self.parameters[f"projection.{key}.range"].split(",")
        return len(value) == len(low) and value >= low and (high == "NOW" or value <= high)

    def partition(self, key):
        """Values of the partition's columns, or None for an object that no partition holds."""
        found = re.fullmatch(self._pattern(), key)
        values = found and dict(zip(self.keys, found.groups()))
        return values if values and all(self._is_projected(*pair) for pair in values.items()) else None

    def load(self, objects):
        columns = [(column["Name"], column["Type"]) for column in self.storage["Columns"]]
        declared = ", ".join(f'"{name}" {"varchar" if kind == "string" else kind}' for name, kind in columns)
        self.connection.execute(f"CREATE TABLE {self.name} ({declared})")
        for key, data in objects:
            assert self.partition(key), key
            if self.storage["SerdeInfo"]["SerializationLibrary"].endswith("ParquetHiveSerDe"):
                rows = pyarrow.parquet.read_table(io.BytesIO(data)).to_pylist()
                rows = [[row.get(name) for name, _ in columns] for row in rows]
            else:
                lines = gzip.decompress(data).decode("ascii").splitlines()[int(self.parameters["skip.header.line.count"]):]
                rows = [[None if kind != "string" and text == "-" else text for text, (_, kind) in zip(
                    line.split(self.storage["SerdeInfo"]["Parameters"]["field.delim"]), columns, strict=True)]
                        for line in lines]
            for row in rows:
                self.connection.execute(f"INSERT INTO {self.name} VALUES ({','.join('?' * len(row))})", row)

    def query(self, name, *parameters):
        return self.connection.execute(self.resources[f"{name}1"]["Properties"]["QueryString"], parameters).fetchall()

    def queries(self):
        return [one["Properties"] for one in self.resources.values() if one["Type"] == "AWS::Athena::NamedQuery"]


def lint(folder, templates):
    paths = []
    for number, template in enumerate(templates):
        paths.append(folder / f"template{number}.json")
        paths[-1].write_text(json.dumps(template), encoding="utf-8")
    done = subprocess.run([pathlib.Path(sys.executable).parent / "cfn-lint", "--regions", services.REGION, "--", *paths],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_delivered_and_queried(world, tmp_path):
    """Each layout and file format, read back through its own template."""
    host, ends = world.host, world.host.ends(4)
    layouts = [("text", {}), ("hive", {"HiveCompatiblePartitions": True}),
               ("parquet", {"FileFormat": "parquet", "PerHourPartition": True}),
               ("both", {"FileFormat": "parquet", "HiveCompatiblePartitions": True, "PerHourPartition": True})]
    ids = {prefix: world.to_bucket(prefix, **options) for prefix, options in layouts}
    group = world.create(LogGroupName="/flow/made", DeliverLogsPermissionArn=ROLE)
    with traffic.UdpSink(host.host, ends.b, PORT):
        traffic.udp(host.client, ends.a, ends.b, PORT, PACKETS, PAYLOAD)
    world.daemon.stop().start()
    described = {one["FlowLogId"]: one for one in world.ec2.describe_flow_logs()["FlowLogs"]}
    assert {described[one]["DeliverLogsStatus"] for one in [*ids.values(), group]} == {"SUCCESS"}
    events = world.call("logs", "filter_log_events", logGroupName="/flow/made")["events"]
    lines = [event["message"].split() for event in events if f" {PORT} 17 " in event["message"]]
    assert sum(int(line[8]) for line in lines) == PACKETS, events
    templates = [world.template(flow_log_id) for flow_log_id in ids.values()]
    for prefix, template in zip(ids, templates, strict=True):
        athena = Athena(template)
        athena.load(world.objects(prefix))
        assert len(athena.queries()) == ALL_QUERIES
        pairs = {(a, b): total for a, b, total in athena.query("VpcFlowLogsTotalBytesTransferredPacketLevel")}
        assert pairs[ends.a, ends.b] == ends.udp_bytes(PACKETS, PAYLOAD), (prefix, pairs)
        (total,), = athena.query("VpcFlowLogsIPv4Traffic")
        assert total >= ends.udp_bytes(PACKETS, PAYLOAD)
        assert [row[5] for row in athena.query("VpcFlowLogsTrafficFrmSrcAddr", ends.a)] == [PACKETS]
        for one in athena.queries():
            athena.connection.execute(one["QueryString"], [ends.a] * one["QueryString"].count("?")).fetchall()
    past = {"PartitionLoadFrequency": "none", "PartitionStartDate": datetime.datetime(2021, 7, 21),
            "PartitionEndDate": datetime.datetime(2021, 7, 23), "IntegrationResultS3DestinationArn": "arn:aws:s3:::r/"}
    for prefix, first in (("text", "{}/AWSLogs/123456789012/vpcflowlogs/eu-central-1/2021/07/{}/x"),
                          ("hive", "{}/AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/"
                                   "aws-region=eu-central-1/year=2021/month=07/day={}/x")):
        template = world.template(ids[prefix], past, DAILY)
        days = [day for day in range(1, 32) if Athena(template).partition(first.format(prefix, f"{day:02}"))]
        assert days == [21, 22, 23]
        assert {"Table2", "WorkGroup2", "VpcFlowLogsTopTalkers2"} <= set(template["Resources"])
        templates.append(template)
    lint(tmp_path, templates)
    world.daemon.stop()


def test_what_no_template_is_for(world):
    """Each mistake has one error; without an S3 that answers, the text itself is the result."""
    flow_log = world.to_bucket("x")
    group = world.create(LogGroupName="/flow/made", DeliverLogsPermissionArn=ROLE)
    cases = [
        ({"FlowLogId": "fl-none"}, "InvalidFlowLogId.NotFound", "fl-none"),
        ({"FlowLogId": group}, "InvalidParameter", "does not publish to S3"),
        ({"ConfigDeliveryS3DestinationArn": "templates"}, "InvalidParameter", "no ARN"),
        ({"ConfigDeliveryS3DestinationArn": "arn:aws:s3:::nowhere/"}, "LogDestinationNotFound", "nowhere"),
        ({"DryRun": True}, "DryRunOperation", ""),
        ([DAILY] * 11, "InvalidParameterValue", "too many"),
        ([DAILY | {"PartitionLoadFrequency": "hourly"}], "InvalidParameterValue", "none|daily|weekly|monthly"),
        ([DAILY | {"IntegrationResultS3DestinationArn": "here"}], "InvalidParameter", "IntegrationResultS3"),
        ([DAILY | {"PartitionStartDate": "2022-01-02", "PartitionEndDate": "2022-01-01"}], "InvalidParameter", "after"),
    ]
    for case, code, text in cases:
        change = case if isinstance(case, dict) else {"IntegrateServices": {"AthenaIntegrations": case}}
        with world.ec2.refused(code, text):
            world.ec2.get_flow_logs_integration_template(**{
                "FlowLogId": flow_log, "ConfigDeliveryS3DestinationArn": "arn:aws:s3:::templates",
                "IntegrateServices": {"AthenaIntegrations": [DAILY]}} | change)
    world.moto.close()
    result = world.ec2.get_flow_logs_integration_template(
        FlowLogId=flow_log, ConfigDeliveryS3DestinationArn="arn:aws:s3:::templates",
        IntegrateServices={"AthenaIntegrations": [DAILY]})["Result"]
    assert json.loads(result)["AWSTemplateFormatVersion"] == "2010-09-09"
    assert "so the answer has the text itself" in world.daemon.log()
    world.daemon.stop()
