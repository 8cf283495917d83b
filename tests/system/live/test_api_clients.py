# SPDX-License-Identifier: Apache-2.0
"""One table of calls, with every action, filter and error of the EC2 API that can be provoked, by every client that people
have: boto3, the SDK for JavaScript, and the aws command of PyPI and of Debian. All are answered alike."""

import datetime
import gzip
import json
import pathlib
import re
import subprocess
import sys

import botocore
import botocore.exceptions
import pytest

import services
from earlier_answers import filled

from .daemon import BUILD, interface, interface_id
from .ec2 import URL, Ec2

GOLDEN = pathlib.Path(__file__).parents[2] / "golden"
ROLE = "arn:aws:iam::123456789012:role/flow"
OWNER = "123456789012"
ENI = interface_id("eth0")


def state(name, value):
    return {name: {"State": value}}


def tagged(value):
    return [{"Key": "Name", "Value": value}]


def permission(number):
    return {"IpProtocol": ("tcp", "udp")[number], "FromPort": 22 + number, "ToPort": 32 + number,
            "IpRanges": [{"CidrIp": f"10.{number}.0.0/16"}], "Ipv6Ranges": [{"CidrIpv6": f"2001:db8:{number}::/48"}],
            "PrefixListIds": [{"PrefixListId": f"pl-{number}"}],
            "UserIdGroupPairs": [{"GroupId": f"sg-9{number}", "UserId": f"{number}" * 12, "GroupName": f"peer {number}"}]}


def documents(number):
    """One resource of each kind; no member of number 0 and number 1 is the same but what they have to share."""
    vpc, subnet, flag = f"vpc-0{number}c", f"subnet-0{number}c", not number
    kinds = {
        "Vpcs": {
            "VpcId": vpc, "CidrBlock": f"10.{number}.0.0/16", "DhcpOptionsId": f"dopt-{number}", "IsDefault": flag,
            "State": ("available", "pending")[number], "OwnerId": f"{number}" * 12, "Tags": tagged(f"v{number}"),
            "CidrBlockAssociationSet": [{"AssociationId": f"vpc-cidr-assoc-{number}", "CidrBlock": f"10.{number}.0.0/16",
                                         **state("CidrBlockState", ("associated", "failing")[number])}],
            "Ipv6CidrBlockAssociationSet": [{"AssociationId": f"vpc-6-assoc-{number}", "Ipv6Pool": f"pool{number}",
                                             "Ipv6CidrBlock": f"2001:db8:{number}::/56",
                                             **state("Ipv6CidrBlockState", ("associated", "failing")[number])}]},
        "Subnets": {
            "SubnetId": subnet, "VpcId": vpc, "CidrBlock": f"10.{number}.1.0/24",
            "AvailabilityZone": f"eu-central-1{'ab'[number]}",
            "AvailabilityZoneId": f"euc1-az{number}", "AvailableIpAddressCount": 250 + number, "DefaultForAz": flag,
            "MapPublicIpOnLaunch": flag, "MapCustomerOwnedIpOnLaunch": flag, "CustomerOwnedIpv4Pool": f"coip-{number}",
            "EnableDns64": flag, "Ipv6Native": flag, "EnableLniAtDeviceIndex": 1 + number,
            "State": ("available", "pending")[number], "OwnerId": f"{number}" * 12, "Tags": tagged(f"s{number}"),
            "SubnetArn": f"arn:aws:ec2:eu-central-1:1:subnet/{subnet}",
            "OutpostArn": f"arn:aws:outposts:eu:1:outpost/op-{number}",
            "Ipv6CidrBlockAssociationSet": [{"AssociationId": f"subnet-6-assoc-{number}",
                                             "Ipv6CidrBlock": f"2001:db8:{number}::/64",
                                             **state("Ipv6CidrBlockState", ("associated", "failing")[number])}],
            "PrivateDnsNameOptionsOnLaunch": {"HostnameType": ("ip-name", "resource-name")[number],
                                              "EnableResourceNameDnsARecord": flag,
                                              "EnableResourceNameDnsAAAARecord": flag}},
        "NetworkInterfaces": {
            "NetworkInterfaceId": f"eni-0{number}c", "VpcId": vpc, "SubnetId": subnet, "OwnerId": f"{number}" * 12,
            "AvailabilityZone": f"eu-central-1{'ab'[number]}", "AvailabilityZoneId": f"euc1-az{number}",
            "Description": f"the {number}th", "InterfaceType": ("interface", "nat_gateway")[number],
            "MacAddress": f"0a:00:00:00:00:0{number}", "PrivateDnsName": f"ip-{number}",
            "PrivateIpAddress": f"10.{number}.1.5",
            "RequesterId": f"requester{number}", "RequesterManaged": flag, "SourceDestCheck": flag,
            "Status": ("in-use", "available")[number],
            "Operator": {"Managed": flag, "Principal": f"p{number}.amazonaws.com"}, "TagSet": tagged(f"e{number}"),
            "Groups": [{"GroupId": f"sg-{number}", "GroupName": f"group {number}"}],
            "Ipv6Addresses": [{"Ipv6Address": f"2001:db8:{number}::5"}],
            "Association": {"AllocationId": f"eipalloc-{number}", "AssociationId": f"eipassoc-{number}",
                            "IpOwnerId": f"owner{number}",
                            "PublicDnsName": f"ec2-{number}", "PublicIp": f"203.0.113.{number}"},
            "PrivateIpAddresses": [{"Primary": flag, "PrivateIpAddress": f"10.{number}.1.5",
                                    "Association": {"IpOwnerId": f"owner{number}", "PublicIp": f"203.0.113.{number}"}}],
            "Attachment": {"AttachTime": f"2021-02-0{1 + number}T03:04:05.000Z", "AttachmentId": f"eni-attach-{number}",
                           "DeleteOnTermination": flag,
                           "DeviceIndex": number, "InstanceId": f"i-0{number}c", "InstanceOwnerId": f"io{number}",
                           "Status": ("attached", "detaching")[number]}},
        "SecurityGroups": {
            "GroupId": f"sg-{number}", "GroupName": f"group {number}", "Description": f"the {number}th", "VpcId": vpc,
            "OwnerId": f"{number}" * 12, "Tags": tagged(f"g{number}"), "IpPermissions": [permission(number)],
            "IpPermissionsEgress": [permission(1 - number)]},
        "NetworkAcls": {
            "NetworkAclId": f"acl-{number}", "VpcId": vpc, "IsDefault": flag, "OwnerId": f"{number}" * 12,
            "Tags": tagged(f"a{number}"),
            "Associations": [{"NetworkAclAssociationId": f"aclassoc-{number}", "NetworkAclId": f"acl-{number}",
                              "SubnetId": subnet}],
            "Entries": [{"RuleNumber": 90 + number, "Egress": flag, "Protocol": ("6", "17")[number],
                         "CidrBlock": f"10.{number}.0.0/16",
                         "RuleAction": ("deny", "allow")[number], "PortRange": {"From": 20 + number, "To": 30 + number}},
                        {"RuleNumber": 92 + number, "Egress": flag, "Protocol": ("58", "1")[number],
                         "RuleAction": ("deny", "allow")[number], "Ipv6CidrBlock": f"2001:db8:{number}::/48",
                         "IcmpTypeCode": {"Type": 128 + number, "Code": number}}]},
        "RouteTables": {
            "RouteTableId": f"rtb-{number}", "VpcId": vpc, "OwnerId": f"{number}" * 12, "Tags": tagged(f"r{number}"),
            "PropagatingVgws": [],
            "Associations": [{"RouteTableAssociationId": f"rtbassoc-{number}", "RouteTableId": f"rtb-{number}",
                              "Main": flag,
                              "SubnetId": subnet, "GatewayId": f"igw-9{number}",
                              "AssociationState": {"State": "associated"}}],
            "Routes": [{"DestinationCidrBlock": f"10.{50 + at}.{number}.0/24", target: f"{prefix}{number}",
                        "Origin": ("CreateRoute", "EnableVgwRoutePropagation")[number],
                        "State": ("active", "blackhole")[number]}
                       for at, (target, prefix) in enumerate((("GatewayId", "igw-"), ("NatGatewayId", "nat-"),
                                                              ("InstanceId", "i-"),
                                                              ("TransitGatewayId", "tgw-"),
                                                              ("VpcPeeringConnectionId", "pcx-"),
                                                              ("EgressOnlyInternetGatewayId", "eigw-")))] + [
                {"DestinationIpv6CidrBlock": f"2001:db8:{number}::/48", "GatewayId": f"vgw-{number}",
                 "State": ("active", "blackhole")[number]},
                {"DestinationPrefixListId": f"pl-{number}", "GatewayId": f"vpce-{number}",
                 "State": ("active", "blackhole")[number]}]},
    }
    return {kind: [one] for kind, one in kinds.items()}


RULES = {"cidr": "10.0.0.0/16", "ipv6-cidr": "2001:db8:0::/48", "from-port": "22", "to-port": "32", "protocol": "tcp",
         "group-id": "sg-90", "group-name": "peer 0", "user-id": "0" * 12, "prefix-list-id": "pl-0"}
OTHER_RULES = {"cidr": "10.1.0.0/16", "ipv6-cidr": "2001:db8:1::/48", "from-port": "23", "to-port": "33", "protocol": "udp",
               "group-id": "sg-91", "group-name": "peer 1", "user-id": "1" * 12, "prefix-list-id": "pl-1"}

# Every filter, with a value that resource 0 has alone: kind of the answer, its key, the id.
FILTERS = {
    "DescribeVpcs": ("Vpcs", "VpcId", "vpc-00c", {
        "vpc-id": "vpc-00c", "cidr": "10.0.0.0/16", "cidr-block-association.cidr-block": "10.0.*",
        "cidr-block-association.association-id": "vpc-cidr-assoc-0", "cidr-block-association.state": "associated",
        "dhcp-options-id": "dopt-0", "ipv6-cidr-block-association.ipv6-cidr-block": "2001:db8:0::/56",
        "ipv6-cidr-block-association.ipv6-pool": "pool0", "ipv6-cidr-block-association.association-id": "vpc-6-assoc-0",
        "ipv6-cidr-block-association.state": "associated", "is-default": "true", "owner-id": "0" * 12, "state": "avail*",
        "tag:Name": "v0", "tag-key": "Name"}),
    "DescribeSubnets": ("Subnets", "SubnetId", "subnet-00c", {
        "subnet-id": "subnet-00c", "vpc-id": "vpc-00c", "cidr-block": "10.0.1.0/24", "cidr": "10.0.1.0/24",
        "cidrBlock": "10.0.1.0/24",
        "availability-zone": "eu-central-1a", "availabilityZone": "eu-central-1a", "availability-zone-id": "euc1-az0",
        "available-ip-address-count": "250", "customer-owned-ipv4-pool": "coip-0", "default-for-az": "true",
        "enable-dns64": "true",
        "enable-lni-at-device-index": "1", "ipv6-cidr-block-association.ipv6-cidr-block": "2001:db8:0::/64",
        "ipv6-cidr-block-association.association-id": "subnet-6-assoc-0", "ipv6-cidr-block-association.state": "associated",
        "ipv6-native": "true", "map-customer-owned-ip-on-launch": "true", "map-public-ip-on-launch": "true",
        "outpost-arn": "*/op-0", "owner-id": "0" * 12, "private-dns-name-options-on-launch.hostname-type": "ip-name",
        "private-dns-name-options-on-launch.enable-resource-name-dns-a-record": "true",
        "private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record": "true", "state": "available",
        "subnet-arn": "*/subnet-00c", "tag:Name": "s0", "tag-key": "Name"}),
    "DescribeNetworkInterfaces": ("NetworkInterfaces", "NetworkInterfaceId", "eni-00c", {
        "network-interface-id": "eni-00c", "vpc-id": "vpc-00c", "subnet-id": "subnet-00c", "owner-id": "0" * 12,
        "addresses.association.owner-id": "owner0", "addresses.association.public-ip": "203.0.113.0",
        "addresses.primary": "true",
        "addresses.private-ip-address": "10.0.1.5", "association.allocation-id": "eipalloc-0",
        "association.association-id": "eipassoc-0",
        "association.ip-owner-id": "owner0", "association.public-dns-name": "ec2-0", "association.public-ip": "203.0.113.0",
        "attachment.attach-time": "2021-02-01T03:04:05.000Z", "attachment.attachment-id": "eni-attach-0",
        "attachment.delete-on-termination": "true", "attachment.device-index": "0", "attachment.instance-id": "i-00c",
        "attachment.instance-owner-id": "io0", "attachment.status": "attached", "availability-zone": "eu-central-1a",
        "availability-zone-id": "euc1-az0", "description": "the 0?h", "group-id": "sg-0", "group-name": "group 0",
        "interface-type": "interface", "ipv6-addresses.ipv6-address": "2001:db8:0::5", "mac-address": "0a:00:00:00:00:00",
        "operator.managed": "true", "operator.principal": "p0.*", "private-dns-name": "ip-0",
        "private-ip-address": "10.0.1.5",
        "requester-id": "requester0", "requester-managed": "true", "source-dest-check": "true", "status": "in-use",
        "tag:Name": "e0", "tag-key": "Name"}),
    "DescribeSecurityGroups": ("SecurityGroups", "GroupId", "sg-0", {
        "group-id": "sg-0", "group-name": "group 0", "description": "the 0th", "vpc-id": "vpc-00c", "owner-id": "0" * 12,
        "tag:Name": "g0", "tag-key": "Name", **{f"ip-permission.{name}": value for name, value in RULES.items()},
        **{f"egress.ip-permission.{name}": value for name, value in OTHER_RULES.items()}}),
    "DescribeNetworkAcls": ("NetworkAcls", "NetworkAclId", "acl-0", {
        "network-acl-id": "acl-0", "vpc-id": "vpc-00c", "owner-id": "0" * 12, "default": "true", "tag:Name": "a0",
        "tag-key": "Name",
        "association.association-id": "aclassoc-0", "association.network-acl-id": "acl-0",
        "association.subnet-id": "subnet-00c",
        "entry.cidr": "10.0.0.0/16", "entry.ipv6-cidr": "2001:db8:0::/48", "entry.egress": "true", "entry.icmp.code": "0",
        "entry.icmp.type": "128", "entry.port-range.from": "20", "entry.port-range.to": "30", "entry.protocol": "6",
        "entry.rule-action": "deny", "entry.rule-number": "90"}),
    "DescribeRouteTables": ("RouteTables", "RouteTableId", "rtb-0", {
        "route-table-id": "rtb-0", "vpc-id": "vpc-00c", "owner-id": "0" * 12, "association.gateway-id": "igw-90",
        "association.main": "true", "association.route-table-association-id": "rtbassoc-0",
        "association.route-table-id": "rtb-0",
        "association.subnet-id": "subnet-00c", "route.destination-cidr-block": "10.50.0.0/24",
        "route.destination-ipv6-cidr-block": "2001:db8:0::/48", "route.destination-prefix-list-id": "pl-0",
        "route.egress-only-internet-gateway-id": "eigw-0", "route.gateway-id": "igw-0", "route.instance-id": "i-0",
        "route.nat-gateway-id": "nat-0", "route.transit-gateway-id": "tgw-0", "route.vpc-peering-connection-id": "pcx-0",
        "route.origin": "CreateRoute", "route.state": "active", "tag:Name": "r0", "tag-key": "Name"}),
}
# Of flow log 0, as made below; {} stands for its id.
FLOW_LOG_FILTERS = {"deliver-log-status": "SUCCESS", "log-destination-type": "s3", "flow-log-id": "{}",
                    "log-group-name": "/made/*",
                    "resource-id": "vpc-00c", "traffic-type": "REJECT", "tag:Name": "first", "tag-key": "Name"}
TAG_FILTERS = {"key": "Name", "resource-id": "{}", "resource-type": "vpc-flow-log", "value": "fir??"}
SHARED = {"tag-key", "interface-type", "status", "state", "addresses.primary", "source-dest-check",
          "attachment.status"}  # which resource 1, or the recorded interface, has as well


class Table:
    """Rows of [operation, parameters], and what is expected of each: an error's code, the ids listed, or just an answer."""

    def __init__(self):
        self.rows, self.expected = [], []

    def call(self, operation, expected=None, **parameters):
        self.rows.append([operation, parameters])
        self.expected.append(expected)
        return len(self.rows) - 1

    def filters(self):
        for operation, (_, _, key, filters) in FILTERS.items():
            for name, value in filters.items():
                narrowed = [{"Name": name, "Values": ["no such", value]}]
                if name in SHARED:
                    narrowed.append({"Name": "vpc-id", "Values": ["vpc-00c"]})
                self.call(operation, [key], Filters=narrowed)
            self.call(operation, [], Filters=[{"Name": name, "Values": ["no such"]}])
            self.call(operation, "InvalidParameterValue", Filters=[{"Name": "colour", "Values": ["red"]}])
            self.call(operation, "FilterLimitExceeded", Filters=[
                {"Name": "vpc-id", "Values": [f"{place}-{number}" for number in range(50)]} for place in range(5)])
            self.call(operation, "DryRunOperation", DryRun=True)
            self.call(operation, "InvalidNextToken", NextToken="nonsense")
            self.call(operation, MaxResults=5)
        for ids, code in (("VpcIds", "InvalidVpcID.NotFound"), ("SubnetIds", "InvalidSubnetID.NotFound"),
                          ("NetworkInterfaceIds", "InvalidNetworkInterfaceID.NotFound"),
                          ("NetworkAclIds", "InvalidNetworkAclID.NotFound"),
                          ("RouteTableIds", "InvalidRouteTableID.NotFound"), ("GroupIds", "InvalidGroup.NotFound")):
            operation, (_, _, key, _) = next(
                (one, row) for one, row in FILTERS.items() if row[1] + "s" == ids)
            self.call(operation, [key], **{ids: [key]})
            self.call(operation, code, **{ids: [key, "none-such"]})
            self.call(operation, "InvalidParameterCombination", MaxResults=5, **{ids: [key]})
        self.call("DescribeSecurityGroups", ["sg-0"], GroupNames=["group 0"])
        self.call("DescribeSecurityGroups", "InvalidGroup.NotFound", GroupNames=["none such"])

    def pages(self):
        first = self.call("DescribeRouteTables", MaxResults=5)
        self.call("DescribeRouteTables", MaxResults=5, NextToken={"$": [first, "NextToken"]})

    def flow_logs(self, store):
        made = self.call("CreateFlowLogs", **wanted(store, "first", ClientToken="a token", TrafficType="REJECT",
                                                    TagSpecifications=[
            {"ResourceType": "vpc-flow-log", "Tags": tagged("first")}], DestinationOptions={
                "FileFormat": "parquet", "HiveCompatiblePartitions": True, "PerHourPartition": False}))
        again = self.call("CreateFlowLogs", **self.rows[made][1])
        first = {"$": [made, "FlowLogIds", 0]}
        group = self.call("CreateFlowLogs", ResourceType="Subnet", ResourceIds=["subnet-01c"], TrafficType="ALL",
                          LogGroupName="/made/group", DeliverLogsPermissionArn=ROLE, DeliverCrossAccountRole=ROLE)
        some = self.call("CreateFlowLogs", **wanted(store, "some", ResourceType="NetworkInterface",
                                                    LogFormat="${srcaddr} ${bytes}",
                                                    ResourceIds=["eni-00c", "eni-none", "eni-01c"]))
        bucket = self.call("CreateFlowLogs", **wanted(store, "", LogDestination="arn:aws:s3:::bucket/prefix/",
                                                      ResourceIds=["vpc-01c"]))
        stream = self.call("CreateFlowLogs", **wanted(
            store, "", LogDestinationType="kinesis-data-firehose", ResourceIds=["vpc-01c"],
            LogDestination=f"arn:aws:firehose:eu-central-1:{OWNER}:deliverystream/s"))
        self.call("DescribeFlowLogs", FlowLogIds=[first])
        self.call("DescribeFlowLogs", Filter=[{"Name": "resource-id", "Values": ["*c"]}])
        for name, value in FLOW_LOG_FILTERS.items():
            place = {"$": [group, "FlowLogIds", 0]} if name == "log-group-name" else first
            chosen = [place if value == "{}" else value]
            self.call("DescribeFlowLogs", [place], Filter=[{"Name": name, "Values": ["no such", *chosen]},
                                                           {"Name": "flow-log-id", "Values": [place]}])
            self.call("DescribeFlowLogs", [], Filter=[{"Name": name, "Values": ["no such"]}])
        for name, value in TAG_FILTERS.items():
            self.call("DescribeTags", [first], Filters=[{"Name": name, "Values": ["no such",
                first if value == "{}" else value]}])
            self.call("DescribeTags", [], Filters=[{"Name": name, "Values": ["no such"]}])
        self.mistakes(store, first)
        self.tags(first)
        integration = {"IntegrationResultS3DestinationArn": "arn:aws:s3:::r", "PartitionLoadFrequency": "daily"}
        for flow_log, place, expected in ((bucket, "arn:aws:s3:::templates", None), (group, "arn:aws:s3:::templates",
            "InvalidParameter"),
                                          (bucket, "templates", "InvalidParameter")):
            self.call("GetFlowLogsIntegrationTemplate", expected, FlowLogId={"$": [flow_log, "FlowLogIds", 0]},
                      ConfigDeliveryS3DestinationArn=place, IntegrateServices={"AthenaIntegrations": [integration]})
        self.call("DeleteFlowLogs", "DryRunOperation", FlowLogIds=[first], DryRun=True)
        self.call("DeleteFlowLogs", FlowLogIds=["fl-none", *({"$": [one, "FlowLogIds", 0]} for one in (made, group, some,
            bucket, stream)),
                                                {"$": [some, "FlowLogIds", 1]}])
        self.call("DeleteFlowLogs", "InvalidFlowLogId.NotFound", FlowLogIds=[first])
        return made, again

    def tags(self, first):
        self.call("CreateTags", Resources=[first], Tags=[{"Key": "b", "Value": "c"}, {"Key": "d", "Value": ""}])
        self.call("CreateTags", "TagLimitExceeded", Resources=[first], Tags=[{"Key": f"k{n}",
            "Value": ""} for n in range(50)])
        self.call("CreateTags", "InvalidID", Resources=["vpc-00c"], Tags=[{"Key": "a", "Value": "b"}])
        self.call("CreateTags", "InvalidFlowLogId.NotFound", Resources=["fl-none"], Tags=[{"Key": "a", "Value": "b"}])
        self.call("CreateTags", "DryRunOperation", Resources=[first], Tags=[{"Key": "a", "Value": "b"}], DryRun=True)
        for wrong in ({"Key": "aws:a", "Value": ""}, {"Key": "k" * 128, "Value": ""}, {"Key": "k", "Value": "v" * 257}):
            self.call("CreateTags", "InvalidParameterValue", Resources=[first], Tags=[wrong])
        self.call("DescribeTags", [first] * 3, Filters=[{"Name": "resource-id", "Values": [first]}])
        self.call("DescribeTags", "DryRunOperation", DryRun=True)
        self.call("DeleteTags", "DryRunOperation", Resources=[first], Tags=[{"Key": "b"}], DryRun=True)
        self.call("DeleteTags", Resources=[first], Tags=[{"Key": "b", "Value": "other"}, {"Key": "d"}])
        self.call("DescribeTags", [first] * 2, Filters=[{"Name": "resource-id", "Values": [first]}])

    def mistakes(self, store, first):
        for changes, code in mistakes(store):
            parameters = {key: value for key, value in wanted(store, "x", **changes).items() if value is not None}
            self.call("CreateFlowLogs", code, **parameters)
        self.call("DescribeFlowLogs", "InvalidFlowLogId.NotFound", FlowLogIds=[first, "fl-none"])
        self.call("DescribeFlowLogs", "InvalidParameterCombination", FlowLogIds=[first], MaxResults=5)
        self.call("DescribeFlowLogs", "InvalidParameterValue", MaxResults=0)
        self.call("DescribeFlowLogs", "InvalidParameterValue", MaxResults=1001)
        self.call("DescribeFlowLogs", "InvalidNextToken", NextToken="nonsense")
        self.call("DescribeFlowLogs", "InvalidParameterValue", Filter=[{"Name": "colour", "Values": ["red"]}])
        self.call("DescribeFlowLogs", "DryRunOperation", DryRun=True)
        self.call("DescribeInstances", "InvalidAction")


    def tag_fields(self, store):
        fields = [{"ResourceType": kind, "TagKeys": ["Team", "Stage"]} for kind in ("instance", "network-interface")]
        made = self.call("CreateFlowLogs", **wanted(store, "tags", TagFieldSpecifications=fields))
        self.call("DescribeFlowLogs", FlowLogIds=[{"$": [made, "FlowLogIds", 0]}])
        for wrong in ([{"ResourceType": "instance", "TagKeys": ["a", "b", "c"]}], [{"ResourceType": "vpc",
            "TagKeys": ["a"]}], fields[:1] * 2):
            self.call("CreateFlowLogs", "InvalidParameterValue", **wanted(store, "wrong", TagFieldSpecifications=wrong))
        self.call("DeleteFlowLogs", FlowLogIds=[{"$": [made, "FlowLogIds", 0]}])


def wanted(store, name, **options):
    return {"ResourceType": "VPC", "ResourceIds": ["vpc-00c"], "TrafficType": "ALL", "LogDestinationType": "s3",
            "LogDestination": f"{store}/{name}", "MaxAggregationInterval": 60} | options


def mistakes(store):
    """Of api.md 2.3: what is wrong with a request to make a flow log, and the code of the answer."""
    cloudwatch = {"LogDestinationType": "cloud-watch-logs", "LogDestination": None}
    firehose = {"LogDestinationType": "kinesis-data-firehose"}
    first = {"LogDestination": f"{store}/first", "TrafficType": "REJECT"}
    options = {"FileFormat": "parquet", "HiveCompatiblePartitions": True, "PerHourPartition": False}
    return [
        (first | {"DestinationOptions": options}, "FlowLogAlreadyExists"),
        ({"ClientToken": "a token"}, "IdempotentParameterMismatch"),
        ({"ClientToken": "x" * 65}, "InvalidParameterValue"),
        ({"ClientToken": "\u00e9"}, "InvalidParameterValue"),
        ({"ResourceIds": ["vpc-none"]}, "InvalidVpcID.NotFound"),
        ({"ResourceIds": ["subnet-00c"]}, "InvalidVpcID.Malformed"),
        ({"ResourceType": "Subnet", "ResourceIds": ["subnet-9"]}, "InvalidSubnetID.NotFound"),
        ({"ResourceType": "Subnet"}, "InvalidSubnetID.Malformed"),
        ({"ResourceType": "NetworkInterface", "ResourceIds": ["eni-9"]}, "InvalidNetworkInterfaceID.NotFound"),
        ({"ResourceType": "NetworkInterface"}, "InvalidNetworkInterfaceID.Malformed"),
        ({"ResourceType": "TransitGateway", "ResourceIds": ["tgw-1"]}, "UnsupportedOperation"),
        ({"ResourceType": "CoreNetwork", "ResourceIds": ["core-network-1"]}, "UnsupportedOperation"),
        ({"ResourceType": "RegionalNatGateway", "ResourceIds": ["nat-1"]}, "UnsupportedOperation"),
        ({"ResourceType": "Planet"}, "InvalidParameterValue"),
        ({"ResourceIds": [f"vpc-{n}" for n in range(301)]}, "InvalidParameterValue"),
        ({"TrafficType": None}, "MissingParameter"),
        ({"TrafficType": "SOME"}, "InvalidParameterValue"),
        ({"MaxAggregationInterval": 300}, "InvalidParameter"),
        ({"LogFormat": "${srcaddr} ${dstaddr} "}, "InvalidParameter"),
        ({"LogFormat": "${sourceaddr}"}, "InvalidParameter"),
        ({"DeliverLogsPermissionArn": ROLE}, "InvalidParameter"),
        ({"LogGroupName": "g"}, "InvalidParameter"),
        ({"LogDestination": None}, "InvalidParameter"),
        ({"LogDestination": "bucket"}, "InvalidParameter"),
        ({"LogDestination": "arn:aws:s3:::bucket/AWSLogs/"}, "InvalidParameter"),
        ({"LogDestination": "/etc"}, "InvalidParameter"),
        (cloudwatch | {"LogGroupName": "g"}, "InvalidParameter"),
        (cloudwatch | {"DeliverLogsPermissionArn": ROLE}, "InvalidParameter"),
        (cloudwatch | {"LogDestination": "arn:aws:s3:::b", "DeliverLogsPermissionArn": ROLE}, "InvalidParameter"),
        (cloudwatch | {"LogGroupName": "g", "LogDestination": "arn:aws:logs:eu-central-1:1:log-group:g",
                       "DeliverLogsPermissionArn": ROLE}, "InvalidParameterCombination"),
        (firehose | {"LogDestination": "arn:aws:s3:::b"}, "InvalidParameter"),
        (firehose | {"LogDestination": "arn:aws:firehose:e:1:deliverystream/s", "DestinationOptions": options},
         "InvalidParameter"),
        ({"TagSpecifications": [{"ResourceType": "vpc-flow-log", "Tags": [{"Key": "aws:x", "Value": ""}]}]},
         "InvalidParameterValue"),
        ({"TagSpecifications": [{"ResourceType": "vpc", "Tags": tagged("x")}]}, "InvalidParameterValue"),
        ({"DryRun": True}, "DryRunOperation"),
        ({"DryRun": True, "ResourceIds": ["vpc-none"]}, "InvalidVpcID.NotFound"),
    ]


def by_boto3(daemon, rows, key):
    ec2, answers = Ec2(daemon.namespace, **key), []
    for operation, parameters in rows:
        try:
            answer = getattr(ec2, botocore.xform_name(operation))(**filled(parameters, answers))
            answers.append({name: member for name, member in answer.items() if name != "ResponseMetadata"})
        except botocore.exceptions.ClientError as error:
            answers.append({"error": error.response["Error"]["Code"], "message": error.response["Error"]["Message"]})
    return json.loads(json.dumps(answers, default=datetime.datetime.isoformat))


def in_process(*command):
    """A client that is a program, which is given all calls at once."""
    def run(daemon, rows, key):
        settings = [f"AWS_ACCESS_KEY_ID={key['aws_access_key_id']}",
                    f"AWS_SECRET_ACCESS_KEY={key['aws_secret_access_key']}",
                    "AWS_DEFAULT_REGION=eu-central-1", "AWS_REGION=eu-central-1", "AWS_EC2_METADATA_DISABLED=true",
                    "AWS_MAX_ATTEMPTS=1", "AWS_PAGER=",
                    "AWS_CONFIG_FILE=/dev/null"]
        return json.loads(daemon.namespace.run("env", *settings, *map(str, command), URL, stdin=json.dumps(rows),
                                               timeout=120))

    return run


AWS_CALLS = pathlib.Path(__file__).parents[1] / "aws_calls.py"
CLIENTS = {
    "boto3": by_boto3,
    "node": in_process("node", pathlib.Path(__file__).parents[2] / "node" / "ec2.mjs", services.NODE_MODULES.parent),
    "aws": in_process(sys.executable, AWS_CALLS),
    "aws of Debian": in_process("/usr/bin/python3", AWS_CALLS),
}
NOTHING = "there is no such member"
YOUNGER = {".NetworkInterfaces.AvailabilityZoneId",
           ".NetworkInterfaces.Operator"}  # members that are younger than the SDK for JavaScript or than Debian's command
KNOW_TAG_FIELDS = ("boto3", "aws")  # which are younger than they
ANYBODY = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "secret"}


def masked(answers):
    """Without what differs each time: ids by the order in which they were made, tokens and times by what they are."""
    text, names = json.dumps(answers), {}
    text = re.sub(r"fl-[0-9a-f]{17}", lambda found: names.setdefault(found[0], f"fl-{len(names)}"), text)
    text = re.sub(r'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[^"]*"', '"a time"', text)
    text = re.sub(r'"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"', '"a token"', text)
    answers = json.loads(text)
    for answer in answers:
        for name in ("FlowLogs", "Tags"):  # in the order of random ids
            if name in answer:
                answer[name].sort(key=json.dumps)
        answer.pop("Result", None)
    return answers


def differences(one, other, path=""):
    """Where two answers are not the same, as the names of members from the outermost on."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {place for name in one.keys() | other.keys()
                for place in differences(one.get(name, NOTHING), other.get(name, NOTHING), f"{path}.{name}")}
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return {place for pair in zip(one, other) for place in differences(*pair, path)}
    return set() if one == other else {(path, str(one), str(other))} if NOTHING not in (one, other) else {path}


def listed(answer):
    """The ids of a listing."""
    for kind, key in [*((row[0], row[1]) for row in FILTERS.values()), ("FlowLogs", "FlowLogId"), ("Tags", "ResourceId")]:
        if kind in answer:
            return [one[key] for one in answer[kind]]
    raise AssertionError(answer)


def check(table, answers, client):
    """What the table expects of each row."""
    wrong = []
    for row, expected, answer in zip(table.rows, table.expected, answers, strict=True):
        if isinstance(expected, list):
            right = "error" not in answer and listed(answer) == filled(expected, answers)
        else:
            right = answer.get("error") == expected
        if not right:
            wrong.append((row, expected, answer))
    assert not wrong, client


def agree(table, daemon, key=None, clients=CLIENTS):
    """Each client's answers are as expected, and they are the same."""
    first = None
    for name, run in clients.items():
        rows = json.loads(json.dumps(table.rows).replace("a token", f"token of {name}"))
        answers = json.loads(json.dumps(run(daemon, rows, key or ANYBODY)).replace(f"token of {name}", "a token"))
        check(table, answers, name)
        same = masked(answers)
        first = first or same
        found = {place for one, other in zip(same, first, strict=True) for place in differences(one, other)}
        assert found - YOUNGER == set(), name
    return answers


@pytest.fixture
def world(host, start, tmp_path, monkeypatch):
    """A daemon that knows two of each resource and has a store and a listener."""
    for name, value in services.credentials().items():
        monkeypatch.setenv(name, value)
    folder = tmp_path / "vpc"
    folder.mkdir()
    for number in range(2):
        (folder / f"{number}.json").write_text(json.dumps(documents(number)), encoding="utf-8")
    more = [documents(1)["RouteTables"][0] | {"RouteTableId": f"rtb-m{number}"} for number in range(5)]
    (folder / "more.json").write_text(json.dumps({"RouteTables": more}), encoding="utf-8")
    nowhere = [{"type": "s3", "endpoint": "http://127.0.0.1:9", "addressing": "path"}]
    daemon = start(host.host, [interface("eth0")], topology={"documents": str(folder)}, store=tmp_path / "store",
                   keys={"api-destinations": nowhere})
    daemon.store = tmp_path / "store"
    return daemon


def test_every_call_by_every_client(world):
    table = Table()
    table.filters()
    table.pages()
    made, again = table.flow_logs(world.store)
    answers = agree(table, world)
    assert answers[made] == answers[again]
    table = Table()
    table.tag_fields(world.store)
    agree(table, world, clients={name: CLIENTS[name] for name in KNOW_TAG_FIELDS})
    assert len(Ec2(world.namespace).ids()) == 1  # the declared one
    world.stop()


def test_rights_by_every_client(world):
    """A key that may read, one that is not known, and DryRun, which asks for the right too."""
    made = subprocess.run([BUILD / "flowlog", "access-key", "create", "--rights", "read", "--state", world.state, "-o",
                           "json"],
                          capture_output=True, text=True, timeout=20, check=True)
    key = json.loads(made.stdout)
    table = Table()
    table.call("DescribeFlowLogs")
    table.call("CreateFlowLogs", "UnauthorizedOperation", **wanted(world.store, "x"))
    table.call("CreateFlowLogs", "UnauthorizedOperation", **wanted(world.store, "x", DryRun=True))
    table.call("DeleteFlowLogs", "UnauthorizedOperation", FlowLogIds=["fl-none"])
    agree(table, world, {"aws_access_key_id": key["id"], "aws_secret_access_key": key["secret"]})
    table = Table()
    table.call("DescribeFlowLogs", "AuthFailure")
    agree(table, world)
    world.stop()


def test_table_has_every_filter():
    """The filters that AWS documents, by botocore's model of the service, are those of the table."""
    path = pathlib.Path(botocore.__file__).parent / "data" / "ec2" / "2016-11-15" / "service-2.json.gz"
    model = json.loads(gzip.decompress(path.read_bytes()))
    tables = {operation: row[3] for operation, row in FILTERS.items()} | {
        "DescribeFlowLogs": FLOW_LOG_FILTERS, "DescribeTags": TAG_FILTERS}
    for operation, filters in tables.items():
        members = model["shapes"][model["operations"][operation]["input"]["shape"]]["members"]
        text = members.get("Filters", members.get("Filter"))["documentation"]
        documented = set(re.findall(r"<code>([a-zA-Z0-9.-]+)</code> -", text)) - {"tag"}  # tag:KEY
        assert len(documented) >= 4 and documented <= set(filters), (operation, documented - set(filters))
