# SPDX-License-Identifier: Apache-2.0
"""What the API describes of the documents of topology.documents is what they say, to the last member. Filters: see
test_api_clients.py."""

import json
import signal

import pytest

from . import lab
from .daemon import interface
from .ec2 import Ec2

OWNER = "123456789012"
TAGS = [{"Key": "Name", "Value": "a & b"}]
EVERYWHERE = {"CidrIp": "0.0.0.0/0", "Description": "all"}


def permission(protocol="tcp", low=22, high=22, blocks=(), groups=(), lists=()):
    return {"IpProtocol": protocol, "FromPort": low, "ToPort": high, "IpRanges": list(blocks),
            "Ipv6Ranges": [{"CidrIpv6": "2001:db8::/32"}], "PrefixListIds": [{"PrefixListId": one} for one in lists],
            "UserIdGroupPairs": [{"GroupId": one, "UserId": OWNER} for one in groups]}


def group(number, vpc="vpc-0d", **more):
    return {"GroupId": f"sg-{number}", "GroupName": f"group {number}", "Description": f"the {number}th", "VpcId": vpc,
            "OwnerId": OWNER, "Tags": [], "IpPermissions": [], "IpPermissionsEgress": [], **more}


DOCUMENTS = {
    "Vpcs": [{"VpcId": "vpc-0d", "CidrBlock": "10.5.0.0/16", "OwnerId": OWNER, "IsDefault": False, "State": "available",
              "CidrBlockAssociationSet": [{"CidrBlock": "10.5.0.0/16", "AssociationId": "vpc-cidr-assoc-1",
                                           "CidrBlockState": {"State": "associated"}}], "Tags": TAGS}],
    "Subnets": [{"SubnetId": "subnet-0d", "VpcId": "vpc-0d", "CidrBlock": "10.5.1.0/24", "AvailabilityZone": "eu-central-1a",
                 "AvailabilityZoneId": "euc1-az2", "State": "available", "OwnerId": OWNER, "MapPublicIpOnLaunch": False,
                 "Ipv6CidrBlockAssociationSet": [], "Tags": []}],
    "SecurityGroups": [
        group(1, IpPermissions=[permission(blocks=[EVERYWHERE])], Tags=TAGS),
        group(2, IpPermissions=[permission("udp", 53, 53, groups=["sg-1"], lists=["pl-1"])]),
        group(3, vpc="vpc-0e", IpPermissionsEgress=[permission(low=443, high=444, blocks=[EVERYWHERE])]),
    ],
    "NetworkAcls": [{
        "NetworkAclId": "acl-1", "VpcId": "vpc-0d", "IsDefault": True, "OwnerId": OWNER, "Tags": TAGS,
        "Associations": [{"NetworkAclAssociationId": "aclassoc-1", "NetworkAclId": "acl-1", "SubnetId": "subnet-0d"}],
        "Entries": [{"RuleNumber": 90, "Egress": False, "Protocol": "6", "RuleAction": "deny", "CidrBlock": "10.9.0.0/16",
                     "PortRange": {"From": 20, "To": 30}},
                    {"RuleNumber": 95, "Egress": True, "Protocol": "1", "RuleAction": "allow", "CidrBlock": "0.0.0.0/0",
                     "IcmpTypeCode": {"Type": 8, "Code": -1}},
                    {"RuleNumber": 32767, "Egress": True, "Protocol": "-1", "RuleAction": "deny",
                     "CidrBlock": "0.0.0.0/0"}]}],
    "RouteTables": [{
        "RouteTableId": f"rtb-{number}", "VpcId": "vpc-0d", "OwnerId": OWNER, "Tags": [],
        "PropagatingVgws": [{"GatewayId": "vgw-1"}] if number else [],
        "Associations": [{"RouteTableAssociationId": f"rtbassoc-{number}", "RouteTableId": f"rtb-{number}",
                          "Main": not number, "AssociationState": {"State": "associated"}}],
        "Routes": [{"DestinationCidrBlock": "10.5.0.0/16", "GatewayId": "local", "Origin": "CreateRouteTable",
                    "State": "active"},
                   {"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId" if number else "GatewayId":
                    "nat-1" if number else "igw-1", "Origin": "CreateRoute", "State": "blackhole" if number else "active"}],
    } for number in range(7)],
}
KINDS = {
    "SecurityGroups": ("describe_security_groups", "GroupId", "GroupIds", "InvalidGroup.NotFound"),
    "NetworkAcls": ("describe_network_acls", "NetworkAclId", "NetworkAclIds", "InvalidNetworkAclID.NotFound"),
    "RouteTables": ("describe_route_tables", "RouteTableId", "RouteTableIds", "InvalidRouteTableID.NotFound"),
    "Vpcs": ("describe_vpcs", "VpcId", "VpcIds", "InvalidVpcID.NotFound"),
    "Subnets": ("describe_subnets", "SubnetId", "SubnetIds", "InvalidSubnetID.NotFound"),
}


@pytest.fixture
def described(host, start, tmp_path):
    """start(documents): the API of a daemon that knows them."""
    folder = tmp_path / "vpc"
    folder.mkdir()

    def begin(content):
        for name, document in content.items():
            (folder / f"{name}.json").write_text(json.dumps({name: document}), encoding="utf-8")
        subnets = {"subnets": [{"subnet-id": "subnet-0a", "vpc-id": "vpc-0a", "cidr": "10.77.1.0/24"}]}
        daemon = start(host.host, [interface("eth0")], topology=subnets | {"documents": str(folder)})
        return daemon, Ec2(host.host), folder

    return begin


def test_as_the_documents_say(described):
    daemon, ec2, folder = described(DOCUMENTS)
    for kind, (call, key, ids, code) in KINDS.items():
        listed = {one[key]: one for one in getattr(ec2, call)()[kind]}
        for document in DOCUMENTS[kind]:
            assert listed[document[key]] == document
            assert getattr(ec2, call)(**{ids: [document[key]]})[kind] == [document]
        with ec2.refused(code, "none-such"):
            getattr(ec2, call)(**{ids: ["none-such"]})
        with ec2.refused("DryRunOperation"):
            getattr(ec2, call)(DryRun=True)
        with ec2.refused("InvalidParameterValue", "The filter 'colour' is invalid"):
            getattr(ec2, call)(Filters=[{"Name": "colour", "Values": ["red"]}])
    pages = [ec2.describe_route_tables(MaxResults=5)]
    pages.append(ec2.describe_route_tables(MaxResults=5, NextToken=pages[0]["NextToken"]))
    assert [len(page["RouteTables"]) for page in pages] == [5, 2] and "NextToken" not in pages[1]
    made = ec2.create_flow_logs(ResourceType="VPC", ResourceIds=["vpc-0d"], TrafficType="ALL", LogGroupName="g",
                                DeliverLogsPermissionArn="arn:aws:iam::1:role/r")
    assert made["Unsuccessful"] == []
    (folder / "Vpcs.json").write_text("{", encoding="ascii")
    (folder / "more.json").write_text(json.dumps({"SecurityGroups": [group(9)]}), encoding="ascii")
    daemon.signal(signal.SIGHUP)
    lab.wait_for(lambda: "reloaded: " in daemon.log(), what="a reload")
    assert "Vpcs.json: line 1" in daemon.log()
    assert ec2.describe_security_groups(GroupNames=["group 9"])["SecurityGroups"] == [group(9)]
    daemon.stop()
