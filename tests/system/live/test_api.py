# SPDX-License-Identifier: Apache-2.0
"""The EC2 API as boto3 and the aws command use it: flow logs made, described, deleted, and what they deliver."""

import contextlib
import datetime
import itertools
import json
import os
import pathlib
import signal
import subprocess
import threading
import time

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.exceptions
import botocore.parsers
import pytest

from . import http, lab, traffic
from .ec2 import URL, Ec2
from .daemon import BUILD, interface, interface_id, read_records

ROLE = "arn:aws:iam::123456789012:role/flow"
SUBNETS = {"subnets": [
    {"subnet-id": "subnet-0a", "vpc-id": "vpc-0a", "cidr": "10.77.1.0/24", "az-id": "lab-az1"},
    {"subnet-id": "subnet-0a", "vpc-id": "vpc-0a", "cidr": "fd77:1::/64", "az-id": "lab-az1"},
    {"subnet-id": "subnet-0b", "vpc-id": "vpc-0b", "cidr": "10.99.0.0/16"},
]}
ENI = interface_id("eth0")


@pytest.fixture
def world(host, start, tmp_path):
    """A daemon with one declared flow log, and its API."""
    store = tmp_path / "store"
    daemon = start(host.host, [interface("eth0")], topology=SUBNETS | {}, store=store)
    daemon.store = store
    return daemon, Ec2(host.host)


def wanted(daemon, name="made", **options):
    """Parameters of a flow log to a folder of the store."""
    return {"ResourceType": "VPC", "ResourceIds": ["vpc-0a"], "TrafficType": "ALL", "LogDestinationType": "s3",
            "LogDestination": f"file://{daemon.store}/{name}", "MaxAggregationInterval": 60} | options


def test_made_described_deleted(world, host):
    """The life of a flow log; it survives a restart and a kill, and delivers from the moment it is made."""
    daemon, ec2 = world
    declared = ec2.ids()
    assert len(declared) == 1
    made = ec2.create_flow_logs(**wanted(daemon, TagSpecifications=[
        {"ResourceType": "vpc-flow-log", "Tags": [{"Key": "Name", "Value": "a & <b> \u00e9"}]}]))
    assert made["Unsuccessful"] == [] and made["ClientToken"] and len(made["FlowLogIds"]) == 1
    flow_log_id = made["FlowLogIds"][0]
    assert flow_log_id.startswith("fl-") and len(flow_log_id) == 20
    described = ec2.describe_flow_logs(FlowLogIds=[flow_log_id])["FlowLogs"][0]
    created = described.pop("CreationTime")
    assert created.tzinfo is not None
    assert described == {
        "FlowLogId": flow_log_id, "ResourceId": "vpc-0a", "TrafficType": "ALL", "FlowLogStatus": "ACTIVE",
        "LogDestinationType": "s3", "LogDestination": f"file://{daemon.store}/made", "DeliverLogsStatus": "SUCCESS",
        "MaxAggregationInterval": 60, "Tags": [{"Key": "Name", "Value": "a & <b> \u00e9"}],
        "LogFormat": "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} "
                     "${packets} ${bytes} ${start} ${end} ${action} ${log-status}",
        "DestinationOptions": {"FileFormat": "plain-text", "HiveCompatiblePartitions": False,
                               "PerHourPartition": False},
    }
    with ec2.refused("FlowLogAlreadyExists"):
        ec2.create_flow_logs(**wanted(daemon))
    with ec2.refused("OperationNotPermitted", "declared in the daemon's configuration file"):
        ec2.delete_flow_logs(FlowLogIds=declared)
    daemon.kill()
    daemon.start()
    assert sorted(ec2.ids()) == sorted([*declared, flow_log_id])
    ends = host.ends(4)
    with traffic.UdpSink(host.host, ends.b, 5353):
        traffic.udp(host.client, ends.a, ends.b, 5353, 127, 1)
    daemon.stop().start()
    records = [r for r in read_records(daemon.store / "made") if r["dstport"] == "5353"]
    assert sum(int(r["packets"]) for r in records) == 127 and {r["interface-id"] for r in records} == {ENI}
    assert ec2.ids(FlowLogIds=[flow_log_id]) == [flow_log_id]
    assert ec2.delete_flow_logs(FlowLogIds=[flow_log_id])["Unsuccessful"] == []
    assert ec2.ids() == declared
    with ec2.refused("InvalidFlowLogId.NotFound", flow_log_id):
        ec2.delete_flow_logs(FlowLogIds=[flow_log_id])
    with ec2.refused("InvalidFlowLogId.NotFound", flow_log_id):
        ec2.describe_flow_logs(FlowLogIds=[flow_log_id])
    daemon.stop()


def test_mistakes_have_their_codes(world):
    """Each wrong request has AWS's code and a message that says what is wrong; nothing is made by any."""
    daemon, ec2 = world
    before = ec2.ids()
    cloudwatch = {"LogDestinationType": "cloud-watch-logs", "LogDestination": None}
    cases = [
        ({"ResourceIds": ["vpc-none"]}, "InvalidVpcID.NotFound", "The vpc ID 'vpc-none' does not exist"),
        ({"ResourceIds": ["subnet-0a"]}, "InvalidVpcID.Malformed", "Invalid id"),
        ({"ResourceType": "Subnet", "ResourceIds": ["subnet-9"]}, "InvalidSubnetID.NotFound", "subnet-9"),
        ({"ResourceType": "NetworkInterface", "ResourceIds": ["eni-9"]}, "InvalidNetworkInterfaceID.NotFound", ""),
        ({"ResourceType": "TransitGateway", "ResourceIds": ["tgw-1"]}, "UnsupportedOperation", "TransitGateway"),
        ({"ResourceType": "Planet"}, "InvalidParameterValue", "VPC|Subnet"),
        ({"ResourceIds": []}, "MissingParameter", "The request must include the ResourceIds parameter."),
        ({"ResourceIds": [f"vpc-{n}" for n in range(301)]}, "InvalidParameterValue", "too many"),
        ({"TrafficType": None}, "MissingParameter", "TrafficType"),
        ({"TrafficType": "SOME"}, "InvalidParameterValue", "ACCEPT"),
        ({"MaxAggregationInterval": 300}, "InvalidParameter", "Invalid Flow Log Max Aggregation Interval"),
        ({"LogFormat": "${srcaddr} ${dstaddr} "}, "InvalidParameter", "at 'logFormat' has an invalid format"),
        ({"LogFormat": "${sourceaddr}"}, "InvalidParameter", "srcaddr"),
        ({"DeliverLogsPermissionArn": ROLE}, "InvalidParameter",
         "DeliverLogsPermissionArn is not applicable for s3 delivery"),
        ({"LogGroupName": "g"}, "InvalidParameter", "type must be cloud-watch-logs if LogGroupName is provided"),
        ({"LogDestination": None}, "InvalidParameter", "LogDestination can't be empty if LogGroupName is not provided."),
        ({"LogDestination": "bucket"}, "InvalidParameter", "no ARN of a bucket"),
        ({"LogDestination": "arn:aws:s3:::bucket/AWSLogs/"}, "InvalidParameter", "AWSLogs"),
        ({"LogDestination": "file:///etc"}, "InvalidParameter", "not in the store"),
        ({"LogDestination": f"file://{daemon.store}/../x"}, "InvalidParameter", "not in the store"),
        (cloudwatch | {"LogGroupName": "g"}, "InvalidParameter", "DeliverLogsPermissionArn can't be empty"),
        ({"TagSpecifications": [{"ResourceType": "vpc-flow-log", "Tags": [{"Key": "aws:x", "Value": ""}]}]},
         "InvalidParameterValue", "reserved"),
        ({"TagSpecifications": [{"ResourceType": "vpc-flow-log",
                                 "Tags": [{"Key": f"k{number}", "Value": ""} for number in range(51)]}]},
         "TagLimitExceeded", "50 tags"),
        ({"ClientToken": "x" * 65}, "InvalidParameterValue", "ClientToken"),
        ({"DryRun": True}, "DryRunOperation", "Request would have succeeded, but DryRun flag is set."),
        ({"DryRun": True, "ResourceIds": ["vpc-none"]}, "InvalidVpcID.NotFound", ""),
    ]
    for changes, code, text in cases:
        parameters = {key: value for key, value in wanted(daemon, **changes).items() if value is not None}
        with ec2.refused(code, text):
            ec2.create_flow_logs(**parameters)
    assert ec2.ids() == before
    with ec2.refused("InvalidAction", "DescribeInstances"):
        ec2.describe_instances()
    daemon.stop()


def test_some_of_several(world):
    """Of several resources the wrong ones are told and the others made; a repeated token makes nothing again."""
    daemon, ec2 = world
    request = wanted(daemon, ResourceIds=["vpc-0a", "vpc-none", "vpc-0b", "vpc-0a"], ClientToken="once")
    made = ec2.create_flow_logs(**request)
    assert made["ClientToken"] == "once" and len(made["FlowLogIds"]) == 2
    assert [(one["ResourceId"], one["Error"]["Code"]) for one in made["Unsuccessful"]] == [
        ("vpc-none", "InvalidVpcID.NotFound"), ("vpc-0a", "FlowLogAlreadyExists")]
    daemon.signal(signal.SIGHUP)
    lab.wait_for(lambda: "reloaded: " in daemon.log(), what="a reload")
    assert set(made["FlowLogIds"]) < set(ec2.ids(Filter=[{"Name": "deliver-log-status", "Values": ["SUCCESS"]}]))
    again = ec2.create_flow_logs(**request)
    assert again["FlowLogIds"] == made["FlowLogIds"]
    for changes, code in (({"TrafficType": "REJECT"}, "IdempotentParameterMismatch"), ({"DryRun": True}, "DryRunOperation"),
                          ({"TrafficType": "REJECT", "DryRun": True}, "IdempotentParameterMismatch")):
        with ec2.refused(code):
            ec2.create_flow_logs(**(request | changes))
    deleted = ec2.delete_flow_logs(FlowLogIds=[*made["FlowLogIds"], "fl-none"])["Unsuccessful"]
    assert [(one["ResourceId"], one["Error"]["Code"]) for one in deleted] == [("fl-none", "InvalidFlowLogId.NotFound")]
    assert len(ec2.ids()) == 1
    daemon.stop()
    answered = json.loads((daemon.state / "flow-logs.json").read_text())["tokens"]["once"]["answer"]
    assert answered.keys() == {"clientToken", "flowLogIdSet", "unsuccessful"}


def test_as_many_as_there_may_be(world):
    """Made until refused; all of them run after a restart, and one that is deleted makes room for one other."""
    daemon, ec2 = world
    ids = []

    def create(number):
        ids.extend(ec2.create_flow_logs(**wanted(daemon, f"m{number}"))["FlowLogIds"])

    with ec2.refused("FlowLogsLimitExceeded"):
        for number in range(400):
            create(number)
    daemon.stop().start()
    running = ec2.ids(Filter=[{"Name": "deliver-log-status", "Values": ["SUCCESS"]}])
    assert len(ids) > 1 and set(ids) < set(running)
    ec2.delete_flow_logs(FlowLogIds=[ids.pop()])
    create("another")
    with ec2.refused("FlowLogsLimitExceeded"):
        create("more")
    assert set(ids) < set(ec2.ids())
    daemon.stop()


def test_filters_pages_tags(world):
    """What Describe actions let through, in pages of every size."""
    daemon, ec2 = world
    ids = []
    for number in range(7):
        tags = [{"Key": "number", "Value": str(number)}, {"Key": "odd" if number % 2 else "even", "Value": ""}]
        ids += ec2.create_flow_logs(**wanted(
            daemon, f"f{number}", TrafficType="REJECT" if number % 2 else "ACCEPT",
            ResourceType="Subnet" if number < 3 else "VPC", ResourceIds=["subnet-0a" if number < 3 else "vpc-0b"],
            TagSpecifications=[{"ResourceType": "vpc-flow-log", "Tags": tags}]))["FlowLogIds"]

    def found(*filters):
        return {ids.index(one) for one in ec2.ids(Filter=[{"Name": n, "Values": v} for n, v in filters]) if one in ids}

    assert found(("traffic-type", ["REJECT"])) == {1, 3, 5}
    assert found(("traffic-type", ["REJECT", "ACCEPT"]), ("resource-id", ["subnet-0a"])) == {0, 1, 2}
    assert found(("resource-id", ["vpc-*"]), ("tag-key", ["odd"])) == {3, 5}
    assert found(("tag:number", ["4", "?", "x"])) == set(range(7))
    assert found(("tag:number", ["[0-9]"])) == set()
    assert found(("log-destination-type", ["s3"]), ("deliver-log-status", ["SUCCESS"])) == set(range(7))
    assert found(("flow-log-id", [ids[2]])) == {2}
    assert found(("traffic-type", ["reject"])) == set()
    with ec2.refused("InvalidParameterValue", "The filter 'colour' is invalid"):
        found(("colour", ["red"]))
    for size in (1, 3, 8, 1000):
        pages, token = [], {}
        while True:
            page = ec2.describe_flow_logs(MaxResults=size, **token)
            pages.append([one["FlowLogId"] for one in page["FlowLogs"]])
            if "NextToken" not in page:
                break
            token = {"NextToken": page["NextToken"]}
        assert all(len(page) == size for page in pages[:-1])
        assert [one for page in pages for one in page] == ec2.ids()
    with ec2.refused("InvalidNextToken"):
        ec2.describe_flow_logs(MaxResults=5, NextToken="nonsense")
    with ec2.refused("InvalidParameterCombination"):
        ec2.describe_flow_logs(MaxResults=5, FlowLogIds=ids)
    ec2.create_tags(Resources=ids[:2], Tags=[{"Key": "number", "Value": "new"}, {"Key": "Name", "Value": "n"}])
    ec2.delete_tags(Resources=[ids[1]], Tags=[{"Key": "odd"}, {"Key": "number", "Value": "other"}])
    tags = ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [ids[1]]}])["Tags"]
    assert [(tag["Key"], tag["Value"], tag["ResourceType"]) for tag in tags] == [
        ("Name", "n", "vpc-flow-log"), ("number", "new", "vpc-flow-log")]
    with ec2.refused("InvalidID"):
        ec2.create_tags(Resources=["vpc-0a"], Tags=[{"Key": "a", "Value": "b"}])
    daemon.stop()


def test_topology(world):
    """The ids that can be logged can be found."""
    daemon, ec2 = world
    one = ec2.describe_network_interfaces()["NetworkInterfaces"]
    assert [(eni["NetworkInterfaceId"], eni["SubnetId"], eni["VpcId"], eni["PrivateIpAddress"]) for eni in one] == [
        (ENI, "subnet-0a", "vpc-0a", "10.77.1.1")]
    assert {address["Ipv6Address"] for address in one[0]["Ipv6Addresses"]} >= {"fd77:1::1"}
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": ["vpc-0?"]}])["Subnets"]
    assert [(subnet["SubnetId"], subnet["CidrBlock"]) for subnet in subnets] == [
        ("subnet-0a", "10.77.1.0/24"), ("subnet-0b", "10.99.0.0/16")]
    assert subnets[0]["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"] == "fd77:1::/64"
    assert [vpc["VpcId"] for vpc in ec2.describe_vpcs()["Vpcs"]] == ["vpc-0a", "vpc-0b"]
    with ec2.refused("InvalidSubnetID.NotFound"):
        ec2.describe_subnets(SubnetIds=["subnet-none"])
    daemon.stop()


def test_store_that_is_damaged(world):
    """It is set aside and told; the declared flow log runs, and new ones can be made."""
    daemon, ec2 = world
    ec2.create_flow_logs(**wanted(daemon))
    daemon.stop()
    path = daemon.state / "flow-logs.json"
    whole = path.read_bytes()
    for damage in (whole[: len(whole) // 2], whole.replace(b'"resourceId"', b'"resourceIx"')):
        path.write_bytes(damage)
        daemon.start()
        assert len(ec2.ids()) == 1
        assert "flow-logs.json cannot be used" in daemon.log()
        assert any(damage == aside.read_bytes() for aside in daemon.state.glob("flow-logs.json.wrong-*"))
        ec2.create_flow_logs(**wanted(daemon))
        daemon.stop()


def test_killed_while_flow_logs_are_made(world):
    """What was answered is there after the kill, and its token is known; nothing more than the one under way is."""
    daemon, ec2 = world
    answered = {}

    def create(number):
        return ec2.create_flow_logs(**wanted(daemon, f"k{number}", ClientToken=f"t{number}"))["FlowLogIds"][0]

    def create_all():
        with contextlib.suppress(botocore.exceptions.BotoCoreError):
            for number in itertools.count():
                answered[number] = create(number)

    thread = threading.Thread(target=create_all)
    thread.start()
    lab.wait_for(lambda: len(answered) >= 23, what="some flow logs")
    daemon.kill()
    thread.join()
    daemon.start()
    ids = set(ec2.ids())
    assert set(answered.values()) < ids and len(ids) <= len(answered) + 2  # one is declared
    assert {number: create(number) for number in answered} == answered
    assert set(ec2.ids()) == ids
    daemon.stop()


def test_access_keys(world):
    """With a key, only what is signed with it is answered, and only as far as its rights go."""
    daemon, anybody = world
    assert "no access keys, so every user of this host" in daemon.log()

    def access_key(*arguments):
        return subprocess.run([BUILD / "flowlog", "access-key", *arguments, "--state", daemon.state, "-o", "json"],
                              capture_output=True, text=True, timeout=20)

    def client(key):
        return Ec2(daemon.namespace, aws_access_key_id=key["id"], aws_secret_access_key=key["secret"])

    manage, read = (json.loads(access_key("create", "--rights", rights).stdout) for rights in ("manage", "read"))
    assert (daemon.state / "access-keys.json").stat().st_mode & 0o777 == 0o600
    with anybody.refused("AuthFailure"):
        anybody.describe_flow_logs()
    with anybody.refused("AuthFailure"):
        client(manage | {"secret": read["secret"]}).describe_flow_logs()
    made = client(manage).create_flow_logs(**wanted(daemon, LogFormat="${srcaddr} ${dstaddr}"))["FlowLogIds"]
    assert set(made) < set(client(read).ids())
    with anybody.refused("UnauthorizedOperation"):
        client(read).delete_flow_logs(FlowLogIds=made)
    signed_by_hand(daemon, manage, read)
    listed = json.loads(access_key("list").stdout)["access-keys"]
    assert [(one["id"], one["rights"]) for one in listed] == [(manage["id"], "manage"), (read["id"], "read")]
    assert not any("secret" in one for one in listed)
    daemon.stop().start()
    assert made[0] in client(read).ids()
    assert access_key("revoke", read["id"]).returncode == 0
    with anybody.refused("AuthFailure"):
        client(read).describe_flow_logs()
    assert access_key("revoke", read["id"]).returncode == 4
    assert access_key("revoke", manage["id"]).returncode == 0
    assert made[0] in anybody.ids()
    daemon.stop()


def signed_by_hand(daemon, key, reader):
    """What botocore's signer signed, and what became of it on the way."""
    url, body = URL + "/", "Action=DescribeFlowLogs&Version=2016-11-15"

    def send(change=None, body_sent=body, query="", service="ec2", when=None, path="/"):
        request = botocore.awsrequest.AWSRequest("POST", url + query, data=body, headers={
            "Content-Type": "application/x-www-form-urlencoded", "X-Spaces": "  a   b "})
        signer = botocore.auth.SigV4Auth(botocore.credentials.Credentials(key["id"], key["secret"]), service, "anywhere")
        now = botocore.auth.get_current_datetime
        try:
            if when:
                botocore.auth.get_current_datetime = lambda *_, **__: when
            signer.add_auth(request)
        finally:
            botocore.auth.get_current_datetime = now
        headers = dict(request.headers.items())
        if change:
            change(headers)
        status, _, answer = http.request(daemon.namespace, path + query, "POST", body_sent.encode(), headers)
        code = botocore.parsers.EC2QueryParser().parse({"body": answer, "headers": {}, "status_code": status}, None)
        return status, code.get("Error", {}).get("Code")

    def edit(name, old, new):
        def change(headers):
            assert old in headers[name]
            headers[name] = headers[name].replace(old, new)

        return change

    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    minutes = datetime.timedelta(minutes=1)
    assert send() == (200, None)
    assert send(query="?DryRun=false&NextToken=") == (200, None)
    assert send(when=now - 14 * minutes) == (200, None)
    assert send(when=now - 16 * minutes) == (400, "RequestExpired")
    assert send(when=now + 16 * minutes) == (400, "RequestExpired")
    assert send(service="s3") == (401, "AuthFailure")
    assert send(body_sent=body + "&MaxResults=5") == (401, "AuthFailure")
    assert send(edit("Authorization", key["id"], "FLOWAAAAAAAAAAAAAAAA")) == (401, "AuthFailure")
    assert send(edit("Authorization", key["id"], reader["id"])) == (401, "AuthFailure")
    assert send(edit("Authorization", "anywhere", "elsewhere")) == (401, "AuthFailure")
    assert send(edit("Authorization", "Signature=", "Signature=0")) == (400, "IncompleteSignature")
    assert send(edit("Authorization", "host;", "")) == (400, "IncompleteSignature")
    assert send(edit("X-Spaces", "a", "c")) == (401, "AuthFailure")
    assert send(lambda headers: headers.pop("X-Spaces")) == (401, "AuthFailure")
    assert send(lambda headers: headers.pop("X-Amz-Date")) == (400, "IncompleteSignature")
    assert send(lambda headers: headers.pop("Authorization")) == (403, "MissingAuthenticationToken")
    assert send(lambda headers: headers.update(Authorization="AWS4-HMAC-SHA256 " + "/" * 20000)) == (
        400, "IncompleteSignature")


def test_flowlog_command(world):
    """The same actions with the same options over the control socket."""
    daemon, ec2 = world

    def run(command, *arguments, expect=0):
        done = subprocess.run([BUILD / "flowlog", command, *arguments, "--state", daemon.state],
                              capture_output=True, text=True, timeout=20)
        assert done.returncode == expect, done
        return done

    made = run("create-flow-logs", "--resource-type", "VPC", "--resource-ids", "vpc-0a", "vpc-none", "vpc-0b",
               "--traffic-type", "REJECT", "--log-destination-type", "s3", "--log-destination", f"{daemon.store}/x",
               "--destination-options", "HiveCompatiblePartitions=true,PerHourPartition=true",
               "--max-aggregation-interval", "60", expect=1)
    assert "vpc-none: InvalidVpcID.NotFound: The vpc ID 'vpc-none' does not exist" in made.stderr
    ids = made.stdout.split()
    assert len(ids) == 2 and set(ids) < set(ec2.ids())
    described = json.loads(run("describe-flow-logs", "--flow-log-ids", *ids, "-o", "json").stdout)["FlowLogs"]
    by_boto3 = ec2.describe_flow_logs(FlowLogIds=ids)["FlowLogs"]
    for one, other in zip(described, by_boto3, strict=True):
        assert {key: value for key, value in one.items() if key != "CreationTime"} == {
            key: value for key, value in other.items() if key != "CreationTime"}
    table = run("describe-flow-logs", "--filter", "Name=traffic-type,Values=ACCEPT,REJECT", "Name=resource-id,Values=*0b")
    assert ids[0] not in table.stdout and ids[1] in table.stdout and table.stdout.startswith("ID ")
    text = run("describe-flow-logs", "--flow-log-ids", ids[0], "-o", "text").stdout
    assert text == f"{ids[0]}\tvpc-0a\tREJECT\t60\tSUCCESS\t{daemon.store}/x\n"
    assert "InvalidVpcID.NotFound" in run("create-flow-logs", "--resource-type", "VPC", "--resource-ids", "vpc-none",
                                          "--traffic-type", "ALL", "--log-destination-type", "s3",
                                          "--log-destination", "arn:aws:s3:::b", expect=4).stderr
    assert "'colour'" in run("describe-flow-logs", "--filter", "colour", expect=2).stderr
    assert "MissingParameter" in run("delete-flow-logs", expect=4).stderr
    run("delete-flow-logs", "--flow-log-ids", *ids)
    assert len(ec2.ids()) == 1
    daemon.stop()


def of(action):
    return f"Action={action}&Version=2016-11-15"


def test_rude_requests(world):
    """Answered with one error that botocore can parse, or closed; nothing is made."""
    daemon, ec2 = world
    signed = {"Authorization": "AWS4-HMAC-SHA256 x", "Content-Type": "application/x-www-form-urlencoded"}
    describe, untag = of("DescribeFlowLogs"), of("DeleteTags") + "&ResourceId.1=" + ec2.ids()[0]
    cases = [
        (describe, {}, 403, "MissingAuthenticationToken"),
        (describe, signed | {"Host": "evil.example"}, 403, "AuthFailure"),
        ("", signed, 400, "MissingAction"),
        ("Action=DescribeFlowLogs", signed, 400, "MissingParameter"),
        ("Action=DescribeFlowLogs&Version=2000-01-01", signed, 400, "NoSuchVersion"),
        (describe + "&Colour=red", signed, 400, "UnknownParameter"),
        (describe + "&FlowLogId.0=a", signed, 400, "UnknownParameter"),
        (describe + "&FlowLogId.1=a&FlowLogId.1=b", signed, 400, "MalformedQueryString"),
        (describe + "&FlowLogId.2=a", signed, 400, "MissingParameter"),
        (describe + "&Filter.2.Name=resource-id&Filter.2.Value.1=a", signed, 400, "MissingParameter"),
        (describe + "&Filter.1.Name=resource-id&Filter.1.Value.2=a", signed, 400, "MissingParameter"),
        (describe + "&Filter.1.Value.1=a", signed, 400, "MissingParameter"),
        (of("DeleteFlowLogs") + "&FlowLogId.2=a", signed, 400, "MissingParameter"),
        (of("DeleteFlowLogs") + "&FlowLogId.1=a&FlowLogId.3=b", signed, 400, "MissingParameter"),
        (untag, signed, 200, None),
        (untag + "&Tag.2.Key=a", signed, 400, "MissingParameter"),
        (untag + "&Tag.1.Value=a", signed, 400, "MissingParameter"),
        (untag + "&Tag.1.Key=a&Tag.2.Value=a", signed, 400, "MissingParameter"),
        (of("CreateFlowLogs") + "&ResourceType=VPC&ResourceId.1=vpc-0a&TagSpecification.2.Tag.1.Key=a", signed, 400,
         "InvalidParameterValue"),
        (describe + "&NextToken=%0", signed, 400, "MalformedQueryString"),
        (describe + "&NextToken=%00", signed, 400, "MalformedQueryString"),
        (describe + "&NextToken=%ff%fe", signed, 400, "MalformedQueryString"),
        (describe + "&MaxResults=1e3", signed, 400, "InvalidParameterValue"),
        (describe + "".join(f"&a{n}=" for n in range(20000)), signed, 400, "MalformedQueryString"),
    ]
    for body, headers, expected, code in cases:
        status, _, answer = http.request(daemon.namespace, "/", method="POST", body=body.encode(), headers=headers)
        assert status == expected, (body[:80], answer)
        error = botocore.parsers.EC2QueryParser().parse({"body": answer, "headers": {}, "status_code": status}, None)
        assert error.get("Error", {}).get("Code") == code, (body[:80], error)
    head = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: AWS4-HMAC-SHA256 x\r\n"
    assert b" 413 " in http.raw(daemon.namespace, head + b"Content-Length: 2097152\r\n\r\n", head_only=True)
    chunks = (b"10000\r\n" + b"a" * 65536 + b"\r\n") * 20 + b"0\r\n\r\n"
    assert b" 413 " in http.raw(daemon.namespace, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks, head_only=True)
    assert http.request(daemon.namespace, "/?" + describe, headers=signed)[0] == 200
    daemon.stop()


CYCLES = int(os.environ.get("FLOWLOG_CYCLES", "60"))


def test_many_cycles(host, start, tmp_path):
    """Made, described and deleted over and over: neither memory nor descriptors nor files grow. FLOWLOG_CYCLES: how often."""
    daemon = start(host.host, [interface("eth0")], begin=False, topology=SUBNETS, store=tmp_path / "store")
    daemon.wrapper = ["env", "ASAN_OPTIONS=quarantine_size_mb=1"]  # a sanitizer would keep what was freed
    daemon.store = tmp_path / "store"
    daemon.start()
    ec2 = Ec2(host.host)
    process = pathlib.Path(f"/proc/{daemon.process.pid}")

    def cycle(count):
        for _ in range(count):
            made = ec2.create_flow_logs(**wanted(daemon))["FlowLogIds"]
            assert len(ec2.ids()) == 2
            ec2.delete_flow_logs(FlowLogIds=made)

    def measure():
        """Descriptors, threads, files of the state, and KiB of memory that no file stands behind."""
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        files = sum(1 for _ in daemon.state.rglob("*"))
        return (len(list((process / "fd").iterdir())), int(status["Threads"]), files), int(status["RssAnon"].split()[0])

    cycle(min(CYCLES, 1100))
    before, memory = measure()
    began = time.monotonic()
    cycle(CYCLES)
    took = time.monotonic() - began
    lab.wait_for(lambda: measure()[0] <= before, what="nothing left behind")
    grown = measure()[1] - memory
    print(f"{CYCLES} cycles in {took:.0f} s: {grown} KiB grown from {memory}, {before} descriptors, threads, files")
    # The tokens of the last 1024 requests are kept, a kilobyte each. Once they are that many, what is in use does not grow;
    # but the heap does by steps, about 1 MiB in 10,000 cycles, so that no less than 200 bytes of each would show.
    if "sanitize" in str(BUILD):
        assert grown < 4096 + CYCLES * 8
    else:
        assert grown < (2048 if CYCLES > 1100 else 4096 + CYCLES)
    lab.wait_for(daemon.is_capturing, what="a daemon that captures")
    daemon.stop()
