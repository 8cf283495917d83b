# SPDX-License-Identifier: Apache-2.0
"""Answers have the members that recorded answers of AWS have, each of the same type, and none that AWS's model lacks. What is
left away is in a table, with the reason."""

import gzip
import json
import pathlib
import xml.etree.ElementTree

import botocore
import pytest

from . import http
from .daemon import interface, interface_id
from .ec2 import Ec2

GOLDEN = pathlib.Path(__file__).parents[2] / "golden"
RECORDED = GOLDEN / "policy" / "c7n"
ENI = interface_id("eth0")
ROLE = "arn:aws:iam::644160558196:role/example"
NAME_SPACE = "{http://ec2.amazonaws.com/doc/2016-11-15/}"

# Of a network interface of this host that no document describes.
NOT_KNOWN = {
    "Association": "public addresses are given by AWS",
    "AvailabilityZone": "the name of a zone belongs to an account; hosts know zones by their ids (AvailabilityZoneId)",
    "Operator": "nothing but a document tells who manages an interface",
    "PrivateDnsName": "names are given by AWS",
    "PublicDnsName": "names are given by AWS",
    "PublicIpDnsNameOptions": "names are given by AWS",
    "RequesterId": "interfaces of hosts are not requested of AWS",
    "RequesterManaged": "nothing but a document tells who manages an interface",
    "Attachment.AttachmentId": "attachments have ids in AWS alone",
    "Attachment.DeleteOnTermination": "what AWS does when an instance ends",
    "Attachment.DeviceIndex": "the order in which AWS numbers attachments",
    "Attachment.InstanceOwnerId": "whose instance it is, nothing but a document tells",
    "PrivateIpAddresses.PrivateDnsName": "names are given by AWS",
    "PrivateIpAddresses.Association": "public addresses are given by AWS",
}
# What answers of today have and the recordings are too old for.
NEWER = {"DestinationOptions", "AvailabilityZoneId", "Tags", "LogDestination"}


def recorded(path):
    return json.loads(path.read_text(encoding="utf-8"))["data"]


def members(value, prefix=""):
    """Paths of all members, those of a list's elements under the list's name."""
    if isinstance(value, list):
        return set().union(*(members(one, prefix) for one in value))
    if not isinstance(value, dict) or "__class__" in value:
        return set()
    return {prefix + name for name in value}.union(*(members(one, f"{prefix}{name}.") for name, one in value.items()))


@pytest.fixture
def ec2(host, start, tmp_path):
    """The API of a daemon that knows what AWS was recorded to describe."""
    daemon = start(host.host, [interface("eth0") | {"instance-id": "i-0f"}], topology={"documents": str(RECORDED)},
                   store=tmp_path / "store")
    yield Ec2(host.host)
    daemon.stop()


@pytest.mark.parametrize("kind, key", [("NetworkInterfaces", "NetworkInterfaceId"), ("NetworkAcls", "NetworkAclId"),
                                       ("RouteTables", "RouteTableId"), ("SecurityGroups", "GroupId")])
def test_described_as_recorded(ec2, kind, key):
    """To the last member; none but an empty list of tags is added, which today's answers always have."""
    answers = {one[key]: one for one in getattr(ec2, "describe_" + botocore.xform_name(kind))()[kind]}
    documents = [one for path in RECORDED.glob("*.json") for one in recorded(path).get(kind, [])]
    assert documents
    for document in documents:
        assert answers[document[key]] == {"Tags": []} | document if kind != "NetworkInterfaces" else document


def test_interface_that_no_document_describes(ec2):
    document = recorded(next(RECORDED.glob("*DescribeNetworkInterfaces*")))
    ours = members(ec2.describe_network_interfaces(NetworkInterfaceIds=[ENI])["NetworkInterfaces"])
    theirs = members(document["NetworkInterfaces"])
    left = {path for path in theirs - ours if not any(path.startswith(f"{name}.") for name in NOT_KNOWN)}
    # No such member there: the interfaces of the recording have no instance, IPv6 address or group of their own.
    assert ours - theirs <= {"Attachment.InstanceId", "Ipv6Addresses.Ipv6Address"} | NEWER
    # This one has no group, so nothing of the groups.
    assert left - {"Groups.GroupId", "Groups.GroupName"} == {
        name for name in NOT_KNOWN if name in theirs and not any(name.startswith(f"{other}.") for other in NOT_KNOWN)}


def test_flow_logs(ec2):
    """Made as those that were recorded."""
    vpcs = sorted({one["VpcId"] for one in ec2.describe_vpcs()["Vpcs"]})
    parameters = {"ResourceType": "VPC", "ResourceIds": vpcs[:1], "TrafficType": "ALL"}
    stream = {"LogDestination": "arn:aws:logs:us-east-1:644160558196:log-group:example", "DeliverLogsPermissionArn": ROLE}
    old = {"LogGroupName": "flow-logs", "DeliverLogsPermissionArn": ROLE}
    bucket = {"LogDestinationType": "s3", "LogDestination": "arn:aws:s3:::c7n-vpc-flow-logs/test.log.gz", "MaxAggregationInterval": 60}
    folder, made = GOLDEN / "ec2", []
    for options, name in ((stream, "test_vpc_flow_logs.ec2.DescribeFlowLogs_1"), (bucket, "test_vpc_set_flow_logs_maxaggrinterval.ec2.DescribeFlowLogs_2"),
                          (old, "test_vpc_flow_logs_absent.ec2.DescribeFlowLogs_1")):
        created = ec2.create_flow_logs(**parameters, **options)
        assert members(recorded(folder / "test_vpc_create_flow_logs.ec2.CreateFlowLogs_1.json")) - {"ResponseMetadata"} == (
            members(created) - {path for path in members(created) if path.startswith("ResponseMetadata")})
        made += created["FlowLogIds"]
        ours = ec2.describe_flow_logs(FlowLogIds=created["FlowLogIds"])["FlowLogs"][0]
        for theirs in recorded(folder / f"{name}.json")["FlowLogs"]:
            theirs.pop("DeliverLogsErrorMessage", None)  # where delivery failed
            assert theirs.keys() <= ours.keys(), name
            newer = {"LogFormat", "LogDestinationType", "MaxAggregationInterval", "DeliverLogsStatus", "Tags"} if options is old else NEWER
            assert ours.keys() - theirs.keys() <= newer, name
            for member in theirs.keys() - {"CreationTime", "FlowLogId", "ResourceId", "LogGroupName", "DeliverLogsPermissionArn"}:
                assert ours[member] == theirs[member], (name, member)
    deleted = ec2.delete_flow_logs(FlowLogIds=made)
    assert set(recorded(folder / "test_vpc_delete_flow_logs.ec2.DeleteFlowLogs_1.json")) == set(deleted)


def check_element(element, shape, shapes, path):
    """Every element below is in the model, where botocore's parser passes over what it does not know."""
    kind = shapes[shape]
    if kind["type"] == "list":
        for item in element:
            assert item.tag == f"{NAME_SPACE}item", (path, item.tag)
            check_element(item, kind["member"]["shape"], shapes, f"{path}[]")
    elif kind["type"] == "structure":
        known = {member.get("locationName", name): member["shape"] for name, member in kind["members"].items()}
        for inner in element:
            name = inner.tag.removeprefix(NAME_SPACE)
            if (path, name) != ("", "requestId"):
                assert name in known, (path, name)
                check_element(inner, known[name], shapes, f"{path}.{name}")
    else:
        assert len(element) == 0, path


def test_no_member_is_invented(ec2, host):
    """Each element of each answer is one of AWS's model."""
    model = json.loads(gzip.decompress((pathlib.Path(botocore.__file__).parent / "data/ec2/2016-11-15/service-2.json.gz").read_bytes()))
    signed = {"Authorization": "AWS4-HMAC-SHA256 x", "Content-Type": "application/x-www-form-urlencoded"}
    made = ec2.create_flow_logs(ResourceType="NetworkInterface", ResourceIds=[ENI], TrafficType="ALL", LogGroupName="g",
                                DeliverLogsPermissionArn=ROLE, TagSpecifications=[
                                    {"ResourceType": "vpc-flow-log", "Tags": [{"Key": "a", "Value": "b"}]}])
    actions = [f"Describe{kind}" for kind in ("FlowLogs", "Tags", "NetworkInterfaces", "Subnets", "Vpcs", "SecurityGroups", "NetworkAcls",
                                              "RouteTables")]
    for action in actions:
        body = f"Action={action}&Version=2016-11-15".encode()
        status, _, answer = http.request(host.host, "/", method="POST", body=body, headers=signed)
        root = xml.etree.ElementTree.fromstring(answer)
        assert status == 200 and root.tag == f"{NAME_SPACE}{action}Response"
        check_element(root, model["operations"][action]["output"]["shape"], model["shapes"], "")
    ec2.delete_flow_logs(FlowLogIds=made["FlowLogIds"])  # nothing takes what it would deliver
