# SPDX-License-Identifier: Apache-2.0
"""A small VPC as documents: one interface, its subnet, network ACL and security group, to be varied by each test."""

import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
FLOWLOG = pathlib.Path(os.environ.get("FLOWLOG_BUILD", ROOT / "build")) / "flowlog"
ENI = "eni-1235b8ca123456789"


def rule(protocol, low=None, high=None, *, block="0.0.0.0/0", group=None, prefix_list=None):
    """A permission as IpPermissions holds it."""
    permission = {"IpProtocol": protocol, "IpRanges": [], "Ipv6Ranges": [], "PrefixListIds": [], "UserIdGroupPairs": []}
    if low is not None:
        permission |= {"FromPort": low, "ToPort": low if high is None else high}
    if group:
        permission["UserIdGroupPairs"].append({"GroupId": group, "UserId": "123456789010"})
    elif prefix_list:
        permission["PrefixListIds"].append({"PrefixListId": prefix_list})
    elif ":" in block:
        permission["Ipv6Ranges"].append({"CidrIpv6": block})
    else:
        permission["IpRanges"].append({"CidrIp": block})
    return permission


def entry(number, egress, action, protocol="-1", *, block="0.0.0.0/0", **more):
    return {"RuleNumber": number, "Egress": egress, "Protocol": protocol, "RuleAction": action,
            "Ipv6CidrBlock" if ":" in block else "CidrBlock": block, **more}


ALLOW_ALL = [entry(100, True, "allow"), entry(32767, True, "deny"), entry(100, False, "allow"),
             entry(32767, False, "deny")]


def interface(name=ENI, address="172.31.16.139", groups=("sg-1",), **more):
    return {"NetworkInterfaceId": name, "OwnerId": "123456789010", "VpcId": "vpc-1", "SubnetId": "subnet-1",
            "PrivateIpAddress": address, "PrivateIpAddresses": [{"PrivateIpAddress": address, "Primary": True}],
            "Groups": [{"GroupId": group} for group in groups], "InterfaceType": "interface",
            "Attachment": {"InstanceId": "i-1"}, **more}


def group(name, inbound=(), outbound=()):
    return {"GroupId": name, "VpcId": "vpc-1", "IpPermissions": list(inbound), "IpPermissionsEgress": list(outbound)}


def documents(inbound=(), outbound=(), entries=None, **more):
    return {
        "Vpcs": [{"VpcId": "vpc-1", "CidrBlock": "172.31.0.0/16"}],
        "Subnets": [{"SubnetId": "subnet-1", "VpcId": "vpc-1", "CidrBlock": "172.31.16.0/20",
                     "AvailabilityZoneId": "use1-az1"}],
        "SecurityGroups": [group("sg-1", inbound, outbound)],
        "NetworkAcls": [{"NetworkAclId": "acl-1", "VpcId": "vpc-1", "IsDefault": True,
                         "Associations": [{"SubnetId": "subnet-1"}], "Entries": ALLOW_ALL if entries is None else entries}],
        "NetworkInterfaces": [interface()],
        **more,
    }


def write(folder, content):
    (folder / "vpc.json").write_text(json.dumps(content))
    return folder


def line(source, destination, source_port, destination_port, protocol=6, action="ACCEPT", start=1418530010, end=None,
         eni=ENI):
    """A record of the default format."""
    return (f"2 123456789010 {eni} {source} {destination} {source_port} {destination_port} {protocol} 20 4249 {start} "
            f"{start + 9 if end is None else end} {action} OK\n")


def run(*arguments, text=None):
    return subprocess.run([FLOWLOG, *map(str, arguments)], input=text, capture_output=True, timeout=60, check=False,
                          encoding="utf-8")


def explain(folder, records, *, mistakes=0):
    """The answers; `mistakes` is how many lines about the documents are due on standard error."""
    done = run("explain", "--policy", folder, "-o", "json", text=records)
    assert done.returncode == 0, done.stderr
    assert len(done.stderr.splitlines()) == mistakes, done.stderr
    return [json.loads(one) for one in done.stdout.splitlines()]


def verdicts(answers):
    return [(answer["verdict"], answer["decided_by"]) for answer in answers]
