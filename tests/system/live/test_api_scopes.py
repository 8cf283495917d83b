# SPDX-License-Identifier: Apache-2.0
"""Each flow log gets exactly the records of its scope, and records tell what is known of both ends."""

import collections
import json
import socket
import subprocess
import time

import pytest

import services
from scripted import server

from . import http, lab, traffic
from .daemon import BUILD, interface, interface_id, read_records
from .ec2 import Ec2

PAYLOAD, PORT = 101, 5353
TAP = {number: interface_id(f"tap{number}") for number in (1, 2, 3)}
UP = interface_id("up0")
NETS = {1: ("subnet-0a", "vpc-0a", "euc1-az1"), 2: ("subnet-0b", "vpc-0a", "euc1-az2"), 3: ("subnet-0c", "vpc-0b", "euc1-az1")}
SUBNETS = {"subnets": [{"subnet-id": subnet, "vpc-id": vpc, "cidr": f"10.77.{net}.0/24", "az-id": zone}
                       for net, (subnet, vpc, zone) in NETS.items()]}
FORMAT = ("${interface-id} ${vpc-id} ${subnet-id} ${instance-id} ${account-id} ${region} ${az-id} ${sublocation-type} "
          "${sublocation-id} ${flow-direction} ${traffic-path} ${pkt-srcaddr} ${pkt-dstaddr} ${dstport} ${packets} "
          "${pkt-src-aws-service} ${pkt-dst-aws-service} ${interface-type} ${next-hop-interface-id} ${next-hop-subnet-id} "
          "${next-hop-az-id} ${next-hop-vpc-id} ${next-hop-interface-type} ${interface-tag} ${interface-tag-2} "
          "${instance-tag} ${instance-tag-2} ${asg-tag} ${asg-tag-2} ${ecs-task-id} ${log-status}")


class Guests:
    """A router with three guests, each in a subnet of its own, which come when they are plugged in."""

    def __init__(self, net):
        self.net, self.router = net, net.namespace("router")
        self.router.sysctl("ipv4/conf/all/forwarding", 1)
        self.guests = {}

    def plug(self, number):
        guest = self.guests[number] = self.net.namespace(f"guest{number}")
        self.net.link(guest, "eth0", self.router, f"tap{number}")
        port, net = f"tap{number}", f"10.77.{number}"
        lab.add_address(guest, "eth0", f"{net}.2/24")
        lab.add_address(self.router, port, f"{net}.1/24")
        lab.know_neighbour(guest, "eth0", self.router, port, f"{net}.1")
        lab.know_neighbour(self.router, port, guest, "eth0", f"{net}.2")
        guest.ip("route", "add", "default", "via", f"{net}.1")
        return guest

    def send(self, source, target, count):
        traffic.udp(self.guests[source], f"10.77.{source}.2", f"10.77.{target}.2", PORT, count, PAYLOAD)


@pytest.fixture
def guests(net):
    return Guests(net)


def port(number):
    return interface(f"tap{number}", "port", addresses=[f"10.77.{number}.2"])


def packets(records):
    """Packets to PORT by interface and direction."""
    sums = collections.Counter()
    for record in records:
        if record["dstport"] == str(PORT):
            sums[record["interface-id"], record["flow-direction"]] += int(record["packets"])
    return dict(sums)


def test_scopes_of_now_and_of_later(guests, start, tmp_path):
    """Two VPCs, three subnets; a guest that is plugged in later, an interface that gets its address later, and another."""
    guests.plug(1)
    guests.plug(3)
    guests.router.ip("link", "add", "up0", "type", "veth", "peer", "name", "peer0")
    guests.router.ip("link", "set", "up0", "up")
    store = tmp_path / "store"
    daemon = start(guests.router, [port(1), port(2), port(3), interface("up0")], topology=SUBNETS, store=store)
    ec2 = Ec2(guests.router)
    scopes = {"vpc-0a": "VPC", "vpc-0b": "VPC", "subnet-0a": "Subnet", "subnet-0b": "Subnet",
              TAP[3]: "NetworkInterface"}
    for resource, kind in scopes.items():
        made = ec2.create_flow_logs(ResourceType=kind, ResourceIds=[resource], TrafficType="ALL", MaxAggregationInterval=60,
                                    LogDestinationType="s3", LogDestination=f"file://{store}/{resource}", LogFormat=FORMAT)
        assert made["Unsuccessful"] == []
    for name, traffic_type in (("accepted", "ACCEPT"), ("rejected", "REJECT")):
        ec2.create_flow_logs(ResourceType="VPC", ResourceIds=["vpc-0a", "vpc-0b"], TrafficType=traffic_type,
                             LogDestinationType="s3", LogDestination=f"file://{store}/{name}", MaxAggregationInterval=60,
                             LogFormat=FORMAT)
    guests.send(1, 3, 11)
    guests.plug(2)
    lab.wait_for(lambda: "tap2 (" in daemon.log(), what="the second guest")
    lab.add_address(guests.router, "up0", "10.77.2.9/32")
    lab.wait_for(lambda: any(one["SubnetId"] == "subnet-0b" for one in ec2.describe_network_interfaces(
        NetworkInterfaceIds=[UP])["NetworkInterfaces"] if "SubnetId" in one), what="a subnet")
    guests.send(2, 3, 13)
    guests.send(3, 1, 17)
    guests.router.ip("address", "flush", "dev", "up0")
    lab.add_address(guests.router, "up0", "10.99.0.9/32")
    guests.router.nft("table ip t {\nchain c { type filter hook forward priority 0; ip daddr 10.77.2.2 udp dport 5353 drop\n}\n}")
    guests.send(1, 2, 19)
    traffic.settle(guests.router, *guests.guests.values())
    daemon.stop()
    of_vpc_a = {(TAP[1], "egress"): 30, (TAP[1], "ingress"): 17, (TAP[2], "egress"): 13, (TAP[2], "ingress"): 19}
    of_vpc_b = {(TAP[3], "ingress"): 24, (TAP[3], "egress"): 17}
    found = {name: packets(read_records(store / name)) for name in (*scopes, "accepted", "rejected")}
    assert found == {
        "vpc-0a": of_vpc_a, "vpc-0b": of_vpc_b, TAP[3]: of_vpc_b,
        "subnet-0a": {key: count for key, count in of_vpc_a.items() if key[0] == TAP[1]},
        "subnet-0b": {key: count for key, count in of_vpc_a.items() if key[0] == TAP[2]},
        "accepted": {(TAP[1], "egress"): 11, (TAP[1], "ingress"): 17, (TAP[2], "egress"): 13, **of_vpc_b},
        "rejected": {(TAP[1], "egress"): 19, (TAP[2], "ingress"): 19},
    }
    idle = {record["interface-id"] for record in read_records(store / "subnet-0b")}
    assert idle == {TAP[2], UP}  # up0 stays in the subnet it came to, as an interface of AWS's does


def described(number, zone, **more):
    """A guest's interface as a document."""
    subnet, vpc, zone_id = NETS[number]
    address = f"10.77.{number}.2"
    return {"NetworkInterfaceId": f"eni-0d{number}", "OwnerId": "210987654321", "VpcId": vpc, "SubnetId": subnet,
            "AvailabilityZone": zone, "AvailabilityZoneId": zone_id, "PrivateIpAddress": address, "Groups": [],
            "PrivateIpAddresses": [{"PrivateIpAddress": address, "Primary": True}], "InterfaceType": "interface", **more}


DOCUMENTS = {
    "Subnets": [{"SubnetId": subnet, "VpcId": vpc, "CidrBlock": f"10.77.{net}.0/24", "AvailabilityZoneId": zone,
                 "AvailabilityZone": "us-west-2-lax-1a" if net == 2 else "eu-central-1a"}
                for net, (subnet, vpc, zone) in NETS.items()],
    "Vpcs": [{"VpcId": vpc, "CidrBlock": "10.77.0.0/16"} for vpc in ("vpc-0a", "vpc-0b")],
    "NetworkInterfaces": [
        described(1, "eu-central-1a", Attachment={"InstanceId": "i-0d"}, TagSet=[{"Key": "Name", "Value": "a b/\u00e9~"}]),
        described(2, "us-west-2-lax-1a", InterfaceType="nat_gateway", RequesterManaged=True,
                  Description="Interface for NAT Gateway nat-1"),
        described(3, "eu-central-1a"),
    ],
    "RouteTables": [{"RouteTableId": "rtb-1", "VpcId": "vpc-0a", "Associations": [{"Main": True}], "Routes": [
        {"DestinationCidrBlock": "10.77.0.0/16", "GatewayId": "local", "State": "active"},
        {"DestinationCidrBlock": "198.51.100.0/24", "GatewayId": "vgw-1", "State": "active"},
        {"DestinationCidrBlock": "192.0.2.0/26", "VpcPeeringConnectionId": "pcx-1", "State": "active"},
        {"DestinationCidrBlock": "192.0.2.64/26", "VpcPeeringConnectionId": "pcx-2", "State": "active"},
        {"DestinationCidrBlock": "192.0.2.128/26", "VpcPeeringConnectionId": "pcx-3", "State": "active"},
        {"DestinationCidrBlock": "203.0.113.128/26", "NatGatewayId": "nat-1", "State": "active"},
        {"DestinationCidrBlock": "203.0.113.192/26", "NatGatewayId": "nat-1", "State": "blackhole"},
        {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1", "State": "active"}]}],
    "VpcPeeringConnections": [
        {"VpcPeeringConnectionId": f"pcx-{number}", "RequesterVpcInfo": {"VpcId": "vpc-0a", "Region": "eu-central-1"},
         "AccepterVpcInfo": {"VpcId": "vpc-0x", "Region": region}}
        for number, region in ((1, "eu-central-1"), (2, "eu-west-1"))],
    "Reservations": [{"Instances": [{"InstanceId": "i-0d", "Tags": [{"Key": "Team", "Value": "100% red"},
                                                                    {"Key": "Stage", "Value": "x"}]}]}],
    "AutoScalingGroups": [{"AutoScalingGroupName": "g", "Instances": [{"InstanceId": "i-0d"}],
                           "Tags": [{"Key": "Owner", "Value": "o"}]}],
}


def test_what_documents_tell(guests, start, tmp_path):
    """Interface, account, instance, zone, tags, path and next hop of records, from documents alone."""
    guests.plug(1)
    guests.plug(2)
    (tmp_path / "vpc").mkdir()
    (tmp_path / "vpc" / "all.json").write_text(json.dumps(DOCUMENTS), encoding="utf-8")
    ranges = tmp_path / "ip-ranges.json"
    ranges.write_text(json.dumps({"prefixes": []}))
    store = tmp_path / "store"
    rules = [{"device": f"tap{number}", "role": "port", "addresses": [f"10.77.{number}.2"]} for number in (1, 2)]
    daemon = start(guests.router, rules, store=store,
                   topology={"documents": str(tmp_path / "vpc"), "ip-ranges": str(ranges)})
    ec2 = Ec2(guests.router)
    fields = [{"ResourceType": "network-interface", "TagKeys": ["Nothing", "Name"]},
              {"ResourceType": "instance", "TagKeys": ["Team", "Stage"]},
              {"ResourceType": "auto-scaling-group", "TagKeys": ["Owner"]}]
    parameters = {"ResourceType": "VPC", "ResourceIds": ["vpc-0a"], "TrafficType": "ALL", "LogDestinationType": "s3",
                  "LogDestination": f"file://{store}/x", "LogFormat": FORMAT, "MaxAggregationInterval": 60}
    for wrong in ([{"ResourceType": "instance", "TagKeys": ["a", "b", "c"]}], [{"ResourceType": "instance"}],
                  [{"ResourceType": "instance", "TagKeys": ["a"]}] * 2):
        with ec2.refused("InvalidParameterValue", "TagFieldSpecification."):
            ec2.create_flow_logs(**parameters, TagFieldSpecifications=wrong)
    made = ec2.create_flow_logs(**parameters, TagFieldSpecifications=fields)["FlowLogIds"]
    told = ec2.describe_flow_logs(FlowLogIds=made)["FlowLogs"][0]["TagFieldSpecifications"]
    assert told == fields
    replacement = tmp_path / "new.json"
    replacement.write_text(json.dumps({"prefixes": [{"ip_prefix": "203.0.113.0/24", "service": "S3"}]}))
    replacement.rename(ranges)
    lab.wait_for(lambda: "ip-ranges.json was read again" in daemon.log(), timeout=8, what="new ranges")
    guests.send(1, 2, 7)
    for target in ("203.0.113.7", "198.51.100.7", "192.0.2.7", "192.0.2.77", "192.0.2.177", "203.0.113.130", "203.0.113.200"):
        traffic.udp(guests.guests[1], "10.77.1.2", target, PORT, 3, PAYLOAD)
    traffic.settle(guests.router, *guests.guests.values())
    daemon.stop()
    records = {(one["interface-id"], one["pkt-dstaddr"]): one for one in read_records(store / "x")
               if one["dstport"] == str(PORT)}
    shared = {"vpc-id": "vpc-0a", "account-id": "210987654321", "region": "eu-central-1"}
    first = shared | {"subnet-id": "subnet-0a", "instance-id": "i-0d", "az-id": "euc1-az1", "interface-tag": "-",
                      "interface-tag-2": "a%20b%2F%C3%A9~", "instance-tag": "100%25%20red", "instance-tag-2": "x",
                      "asg-tag": "o", "asg-tag-2": "-", "sublocation-type": "-", "interface-type": "-", "ecs-task-id": "-"}
    nowhere = {f"next-hop-{what}": "-" for what in ("interface-id", "subnet-id", "az-id", "vpc-id", "interface-type")}
    expected = {
        ("eni-0d1", "10.77.2.2"): first | {"traffic-path": "1", "next-hop-interface-id": "eni-0d2",
                                           "next-hop-subnet-id": "subnet-0b", "next-hop-az-id": "euc1-az2",
                                           "next-hop-vpc-id": "vpc-0a", "next-hop-interface-type": "nat_gateway",
                                           "pkt-dst-aws-service": "-"},
        ("eni-0d1", "203.0.113.7"): first | nowhere | {"traffic-path": "8", "pkt-dst-aws-service": "S3",
                                                       "pkt-src-aws-service": "-"},
        ("eni-0d1", "198.51.100.7"): first | nowhere | {"traffic-path": "3"},
        ("eni-0d1", "192.0.2.7"): first | nowhere | {"traffic-path": "4"},
        ("eni-0d1", "192.0.2.77"): first | nowhere | {"traffic-path": "5"},
        ("eni-0d1", "192.0.2.177"): first | nowhere | {"traffic-path": "-"},  # no document tells its regions
        ("eni-0d1", "203.0.113.130"): first | {"traffic-path": "1", "next-hop-interface-id": "eni-0d2",
                                               "next-hop-az-id": "euc1-az2", "next-hop-interface-type": "nat_gateway"},
        ("eni-0d1", "203.0.113.200"): first | nowhere | {"traffic-path": "-"},
        ("eni-0d2", "10.77.2.2"): shared | {"subnet-id": "subnet-0b", "instance-id": "-", "az-id": "-",
                                            "sublocation-type": "localzone", "sublocation-id": "euc1-az2",
                                            "interface-type": "nat_gateway", "traffic-path": "-",
                                            "next-hop-interface-id": "eni-0d1", "next-hop-az-id": "euc1-az1"},
    }
    for key, members in expected.items():
        assert {name: records[key][name] for name in members} == members, key


def test_next_hop_by_the_routes_of_the_host(guests, start, tmp_path):
    """A guest that others are routed through is their next hop, if it is of their VPC and the main table alone decides."""
    for number in (1, 2, 3):
        guests.plug(number)
    for block, number in (("198.51.100.0/24", 2), ("198.51.100.128/25", 3), ("203.0.113.0/24", 1)):
        guests.router.ip("route", "add", block, "via", f"10.77.{number}.2")
    targets = ("198.51.100.7", "198.51.100.200", "203.0.113.7", "10.77.2.2")

    def hops(name):
        """Path and next hop of what the first guest sends, by its destination."""
        out = {"name": "all", "interval": 60, "format": "all", "destination": f"file://{tmp_path}/{name}"}
        daemon = start(guests.router, [port(1), port(2), port(3)], topology=SUBNETS, flow_logs=[out], name=name)
        for target in targets:
            traffic.udp(guests.guests[1], "10.77.1.2", target, PORT, 3, PAYLOAD)
        traffic.settle(guests.router, *guests.guests.values())
        daemon.stop()
        found = {one["pkt-dstaddr"]: one for one in read_records(tmp_path / name)
                 if one["dstport"] == str(PORT) and (one["interface-id"], one["flow-direction"]) == (TAP[1], "egress")}
        return {target: (found[target]["traffic-path"], found[target]["next-hop-interface-id"]) for target in targets}

    known = {"198.51.100.7": ("1", TAP[2]), "198.51.100.200": ("-", "-"), "203.0.113.7": ("-", "-"), "10.77.2.2": ("1", TAP[2])}
    assert hops("usual") == known
    guests.router.ip("rule", "add", "fwmark", "7", "lookup", "100")
    assert hops("ruled") == known | {"198.51.100.7": ("-", "-")}


MAC = "0a:ff:ee:00:00:01"
METADATA = {
    "/latest/dynamic/instance-identity/document": json.dumps(
        {"accountId": "333322221111", "region": "ap-southeast-2", "instanceId": "i-0e"}),
    "/latest/meta-data/placement/availability-zone-id": "apse2-az3",
    "/latest/meta-data/network/interfaces/macs/": MAC + "/\n02:00:00:00:00:09/",
    f"/latest/meta-data/network/interfaces/macs/{MAC}/interface-id": "eni-0e",
    f"/latest/meta-data/network/interfaces/macs/{MAC}/subnet-id": "subnet-0e",
    f"/latest/meta-data/network/interfaces/macs/{MAC}/vpc-id": "vpc-0e",
}
TASK = {"Cluster": "c", "TaskARN": "arn:aws:ecs:ap-southeast-2:333322221111:task/c/158d1c80", "Family": "f", "Revision": "26",
        "ServiceName": "web", "Containers": [{"DockerId": "ea32-1"}, {"DockerId": "ea32-2"}]}


def instance_metadata(method, path, headers):
    """IMDSv2 and the task metadata endpoint."""
    if path == "/v4/task":
        return 200, json.dumps(TASK)
    if path == "/latest/api/token":
        return (200, "tok3n") if method == "PUT" and "x-aws-ec2-metadata-token-ttl-seconds" in headers else (405, "")
    if headers.get("x-aws-ec2-metadata-token") != "tok3n":
        return 401, ""
    return (200, METADATA[path]) if path in METADATA else (404, "")


def test_what_metadata_tell(host, start, tmp_path, monkeypatch):
    """A nic of an EC2 instance, in a container of ECS; without an answer the daemon goes on, or says that it does not."""
    host.host.ip("link", "set", "eth0", "address", MAC)
    ends = host.ends(4)
    lab.know_neighbour(host.client, "eth0", host.host, "eth0", ends.b)
    out = {"name": "all", "interval": 60, "format": "all", "destination": f"file://{tmp_path}/out"}
    with host.host.entered():
        service = server(instance_metadata)
        made = service.__enter__()
    try:
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", made.url + "/")
        monkeypatch.setenv("ECS_CONTAINER_METADATA_URI_V4", made.url + "/v4")
        daemon = start(host.host, [{"device": "eth0"}], flow_logs=[out], begin=False)
        text = daemon.config_path.read_text()
        daemon.config_path.write_text("\n".join(line for line in text.splitlines() if not line.startswith(("account", "region"))))
        daemon.start()
        assert "this is instance i-0e in apse2-az3" in daemon.log()
        with traffic.UdpSink(host.host, ends.b, PORT):
            traffic.udp(host.client, ends.a, ends.b, PORT, 7, PAYLOAD)
        daemon.stop()
    finally:
        service.__exit__(None, None, None)
    folder = tmp_path / "out" / "AWSLogs" / "333322221111" / "vpcflowlogs" / "ap-southeast-2"
    record = next(one for one in read_records(folder) if one["dstport"] == str(PORT))
    arn = "arn:aws:ecs:ap-southeast-2:333322221111"
    expected = {"account-id": "333322221111", "region": "ap-southeast-2", "az-id": "apse2-az3", "instance-id": "i-0e",
                "interface-id": "eni-0e", "subnet-id": "subnet-0e", "vpc-id": "vpc-0e", "ecs-cluster-name": "c",
                "ecs-cluster-arn": f"{arn}:cluster/c", "ecs-task-arn": TASK["TaskARN"], "ecs-task-id": "158d1c80",
                "ecs-task-definition-arn": f"{arn}:task-definition/f:26", "ecs-service-name": "web",
                "ecs-container-id": "ea32-1", "ecs-second-container-id": "ea32-2", "ecs-container-instance-id": "-"}
    assert {name: record[name] for name in expected} == expected
    begun = time.monotonic()
    daemon = start(host.host, [{"device": "eth0"}], name="alone")
    assert time.monotonic() - begun < 5
    assert "instance metadata: " in daemon.log() and "task metadata: " in daemon.log()
    daemon.stop()
    refused = start(host.host, [{"device": "eth0"}], name="must", topology={"metadata": "on"}, begin=False)
    with host.host.entered():
        done = subprocess.run([BUILD / "flowlogd", "--config", refused.config_path, "--state", refused.state],
                              capture_output=True, text=True, timeout=20)
    assert done.returncode != 0 and "topology.metadata: instance metadata: " in done.stderr


def test_a_destination_that_is_dead(host, start, tmp_path, monkeypatch):
    """FAILED and why; deleting such a flow log holds up nobody, and what it held is counted and removed."""
    for name, value in services.credentials().items():
        monkeypatch.setenv(name, value)
    with host.host.entered():
        silent = socket.create_server(("127.0.0.1", 5000))  # takes connections and says nothing
    kinds = [{"type": "s3", "endpoint": "http://127.0.0.1:5000"},
             {"type": "cloud-watch-logs", "endpoint": "http://127.0.0.1:5001"}]
    daemon = start(host.host, [interface("eth0")], topology={"subnets": [
        {"subnet-id": "subnet-0a", "vpc-id": "vpc-0a", "cidr": "10.77.1.0/24"}]}, keys={"api-destinations": kinds})
    ec2, ends = Ec2(host.host), host.ends(4)
    shared = {"ResourceType": "VPC", "ResourceIds": ["vpc-0a"], "TrafficType": "ALL", "MaxAggregationInterval": 60}
    dead = ec2.create_flow_logs(**shared, LogDestinationType="s3", LogDestination="arn:aws:s3:::dead-end/")["FlowLogIds"][0]
    refused = ec2.create_flow_logs(**shared, LogGroupName="g", DeliverLogsPermissionArn="arn:aws:iam::1:role/r")["FlowLogIds"][0]
    with traffic.UdpSink(host.host, ends.b, PORT):
        traffic.udp(host.client, ends.a, ends.b, PORT, 23, PAYLOAD)
    daemon.stop().start()

    def failed():
        return [one for one in ec2.describe_flow_logs(Filter=[{"Name": "deliver-log-status", "Values": ["FAILED"]}])["FlowLogs"]
                if one["FlowLogId"] == refused]

    one, = lab.wait_for(failed, timeout=15, what="a failure")
    assert one["DeliverLogsErrorMessage"] == "Unknown error" and one["FlowLogStatus"] == "ACTIVE"
    spool = daemon.state / "spool"
    assert any((spool / dead).iterdir())
    begun = time.monotonic()
    assert ec2.delete_flow_logs(FlowLogIds=[dead, refused])["Unsuccessful"] == []
    assert dead not in ec2.ids() and time.monotonic() - begun < 1
    assert (spool / dead / "deleted").exists()
    # A kill in between: the next start finishes it.
    daemon.kill()
    daemon.start()
    assert not (spool / dead).exists() and not (spool / refused).exists()
    assert f"flow log {dead} was deleted: given up: " in daemon.log()
    answer = http.request(host.host, "/metrics")[2].decode()
    counted, = (float(line.split()[1]) for line in answer.splitlines()
                if line.startswith("flowlog_deleted_given_up_packets_total "))
    assert counted >= 2 * 23
    daemon.stop()
    silent.close()
