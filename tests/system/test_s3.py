# SPDX-License-Identifier: Apache-2.0
"""Objects in S3: against moto and s3rver, read back with boto3 and the `aws` command; and against servers that fail."""

import base64
import gzip
import hashlib
import io
import json
import random
import re
import threading
import time
import urllib.parse

import pytest

import delivering
import services
from delivering import PART, put, start_put
from scripted import server

NAME = re.compile(
    r"AWSLogs/123456789012/vpcflowlogs/eu-central-1/(\d{4})/(\d\d)/(\d\d)/"
    r"123456789012_vpcflowlogs_eu-central-1_fl-[0-9a-f]{17}_\1\2\3T\d\d[0-5][05]Z_[0-9a-f]{8}\.log\.gz"
)
DELIVERED, RETRY, REJECTED = 0, 1, 2  # enum outcome_kind
# Records whose gzip is larger than one part, as a text format of many fields makes them.
LARGE = 3_000_001
KMS_KEY = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
S3RVER_KEYS = {"AWS_ACCESS_KEY_ID": "S3RVER", "AWS_SECRET_ACCESS_KEY": "S3RVER"}


@pytest.fixture
def bucket(moto, request):
    """A bucket of the test's own at moto, and a client that looks into it."""
    name = "s3-" + re.sub("[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    client = services.client("s3", moto.endpoint)
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": services.REGION})
    return name, client


def objects(client, bucket):
    listed = client.list_objects_v2(Bucket=bucket).get("Contents", [])
    return {item["Key"]: client.get_object(Bucket=bucket, Key=item["Key"]) for item in listed}


def lines(data):
    """The records of a text object; its header has to be there."""
    header, *records = gzip.decompress(data).decode("ascii").splitlines()
    assert header.startswith("version account-id interface-id srcaddr "), header
    return records


def check_numbers(records, count):
    """The probe numbers its records: each is there, once."""
    assert sorted(map(delivering.number, records)) == list(range(count))


def test_objects_are_as_aws_makes_them(moto, bucket, tmp_path):
    name, client = bucket
    delivery = delivering.Delivery(tmp_path, f"s3://{name}/logs", endpoint=moto.endpoint)
    assert delivery.run(3, 1009)["delivered"] == 3 * 1009
    found = objects(client, name)
    bodies = {key: item["Body"].read() for key, item in found.items()}
    check_numbers([line for body in bodies.values() for line in lines(body)], 3 * 1009)
    for key, item in found.items():
        assert key.startswith("logs/") and NAME.fullmatch(key.removeprefix("logs/")), key
        assert item["ContentType"] == "application/gzip"
        assert item["ETag"].strip('"') == hashlib.md5(bodies[key]).hexdigest()
        grants = client.get_object_acl(Bucket=name, Key=key)["Grants"]
        assert [grant["Permission"] for grant in grants] == ["FULL_CONTROL"]
        # The command that people have reads the same bytes.
        copy = tmp_path / "copy.gz"
        services.aws(moto.endpoint, "s3", "cp", "--quiet", f"s3://{name}/{key}", str(copy))
        assert copy.read_bytes() == bodies[key]


def test_what_is_asked_of_s3(moto, bucket, tmp_path):
    name, client = bucket
    delivery = delivering.Delivery(
        tmp_path, f"arn:aws:s3:::{name}/odd + folder=ü//x/", endpoint=moto.endpoint, acl="none", encryption="sse-kms",
        kms_key=KMS_KEY, storage_class="STANDARD_IA", hive=True, hourly=True,
    )  # fmt: skip
    assert delivery.run(1, 101)["delivered"] == 101
    ((key, item),) = objects(client, name).items()
    assert key.startswith("odd + folder=ü//x/AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/"), key
    assert "/hour=" in key
    assert (item["ServerSideEncryption"], item["SSEKMSKeyId"]) == ("aws:kms", KMS_KEY)
    assert item["StorageClass"] == "STANDARD_IA"


def parquet_objects(client, bucket, codec):
    """The probe's records of all Parquet objects, read by pyarrow."""
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is in build-venv (scripts/venv)")
    found = []
    for key, item in objects(client, bucket).items():
        assert NAME.fullmatch(key.replace(".log.parquet", ".log.gz")) and key.endswith(".log.parquet"), key
        assert item["ContentType"] == "application/vnd.apache.parquet"
        file = parquet.ParquetFile(io.BytesIO(item["Body"].read()))
        assert {file.metadata.row_group(0).column(i).compression for i in range(14)} == {codec}
        found += file.read().to_pylist()
    return found


@pytest.mark.parametrize(("codec", "name"), [({}, "ZSTD"), ({"codec": "gzip"}, "GZIP")], ids=["default", "gzip"])
def test_parquet(moto, bucket, tmp_path, codec, name):
    delivery = delivering.Delivery(tmp_path, f"s3://{bucket[0]}", endpoint=moto.endpoint, file_format="parquet", **codec)
    assert delivery.run(3, 1009)["delivered"] == 3 * 1009
    records = parquet_objects(bucket[1], bucket[0], name)
    assert sorted(record["bytes"] for record in records) == list(range(3 * 1009))
    for record in records:
        assert record["interface_id"] == f"eni-{record['bytes'] % 1009 % 5}"
        assert (record["srcaddr"], record["dstport"], record["log_status"]) == ("10.0.0.1", 443, "OK")


def test_bucket_in_the_host_name(moto, bucket, tmp_path):
    """Virtual-host addressing; names below localhost are loopback by themselves."""
    endpoint = f"http://localhost:{moto.port}"
    delivery = delivering.Delivery(tmp_path, f"s3://{bucket[0]}/v", endpoint=endpoint, addressing="virtual")
    counts = delivery.run(1, 101, wait_s=10)
    assert counts["delivered"] == 101, counts
    (key,) = objects(bucket[1], bucket[0])
    assert key.startswith("v/AWSLogs/")


def test_large_objects_go_in_parts(moto, bucket, tmp_path):
    name, client = bucket
    delivery = delivering.Delivery(tmp_path, f"s3://{name}", endpoint=moto.endpoint)
    assert delivery.run(1, LARGE, wait_s=100)["delivered"] == LARGE
    ((_, item),) = objects(client, name).items()
    data = item["Body"].read()
    assert len(data) > PART
    assert item["ETag"] == tag_of_parts(data)
    check_numbers(lines(data), LARGE)
    assert "Uploads" not in client.list_multipart_uploads(Bucket=name)


def tag_of_parts(data):
    """The ETag that S3 gives an object of parts."""
    parts = [hashlib.md5(data[at : at + PART]).digest() for at in range(0, len(data), PART)]
    return f'"{hashlib.md5(b"".join(parts)).hexdigest()}-{len(parts)}"'


# Objects as they come out of the spool, put by the driver alone.


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    path = tmp_path_factory.mktemp("large") / "object"
    path.write_bytes(random.Random(7).randbytes(2 * PART + 4711))
    return path


@pytest.fixture(scope="module")
def s3rver(tmp_path_factory):
    """Another S3 server, which verifies signatures."""
    folder, port = tmp_path_factory.mktemp("s3rver"), services.free_port()
    made = services.Server(
        ["node", services.NODE_MODULES / "s3rver" / "bin" / "s3rver.js", "-d", folder / "data", "-a", "127.0.0.1"]
        + ["-p", str(port), "--configure-bucket", "flow-logs"],
        port,
        folder / "s3rver.log",
        env=services.environment(),
    )
    yield made
    made.close()


def test_another_server_that_verifies(s3rver, tmp_path, monkeypatch):
    keys = {"aws_access_key_id": "S3RVER", "aws_secret_access_key": "S3RVER", "region_name": "us-east-1"}
    client = services.client("s3", s3rver.endpoint, **keys)
    refused = delivering.Delivery(tmp_path / "refused", "s3://flow-logs", endpoint=s3rver.endpoint)
    counts = refused.run(1, 7, wait_s=2)
    assert (counts["delivered"], counts["waiting"], counts["word"]) == (0, 7, "Access error"), counts
    monkeypatch.setattr(services, "credentials", lambda: S3RVER_KEYS)
    assert refused.run(0, 0)["delivered"] == 7
    delivery = delivering.Delivery(tmp_path / "p", "s3://flow-logs/p + q=ü", endpoint=s3rver.endpoint)
    assert delivery.run(2, 503)["delivered"] == 1006
    found = {key: item["Body"].read() for key, item in objects(client, "flow-logs").items()}
    check_numbers([line for key in found if key.startswith("p + q=ü/") for line in lines(found[key])], 1006)


def test_parquet_at_another_server(s3rver, tmp_path, monkeypatch):
    monkeypatch.setattr(services, "credentials", lambda: S3RVER_KEYS)
    keys = {"aws_access_key_id": "S3RVER", "aws_secret_access_key": "S3RVER", "region_name": "us-east-1"}
    client = services.client("s3", s3rver.endpoint, **keys)
    client.create_bucket(Bucket="columns")
    delivery = delivering.Delivery(tmp_path, "s3://columns", endpoint=s3rver.endpoint, file_format="parquet")
    assert delivery.run(2, 503)["delivered"] == 1006
    assert sorted(record["bytes"] for record in parquet_objects(client, "columns", "ZSTD")) == list(range(1006))


def test_parts_at_another_server(s3rver, large):
    """One that knows no list of uploads and no checksums."""
    assert put(s3rver.endpoint, "flow-logs", large, keys=S3RVER_KEYS)["kind"] == DELIVERED
    keys = {"aws_access_key_id": "S3RVER", "aws_secret_access_key": "S3RVER", "region_name": "us-east-1"}
    item = services.client("s3", s3rver.endpoint, **keys).get_object(Bucket="flow-logs", Key="AWSLogs/k.log.gz")
    assert item["Body"].read() == large.read_bytes()


class Bucket:
    """A bucket in a scripted server: notes what is put, and fails where `fault(method, path)` gives an answer."""

    def __init__(self, fault=lambda method, path: None):
        self.fault, self.parts, self.uploads, self.aborted, self.completed = fault, [], {}, [], 0

    def __call__(self, method, path, headers):
        failed = self.fault(method, path)
        if failed:
            return failed
        place, _, query = path.partition("?")
        query = urllib.parse.parse_qs(query, keep_blank_values=True)
        return getattr(self, "do_" + method.lower())(place, query, headers)

    def do_get(self, place, query, headers):
        rows = [f"<Upload><Key>{key}</Key><UploadId>{name}</UploadId></Upload>" for name, key in self.uploads.items()]
        return 200, f"<ListMultipartUploadsResult>{''.join(rows[:1])}</ListMultipartUploadsResult>"

    def do_post(self, place, query, headers):
        if "uploads" in query:
            name = f"upload/{len(self.uploads) + len(self.aborted)}+="
            self.uploads[name] = urllib.parse.unquote(place.removeprefix("/bucket/"))
            return 200, f"<R><UploadId>{name}</UploadId></R>"
        del self.uploads[query["uploadId"][0]]
        self.completed += 1
        return 200, "<R><ETag>whole</ETag></R>"

    def do_put(self, place, query, headers):
        (number,) = query.get("partNumber", ["whole"])
        self.parts.append((number, int(headers["content-length"]), headers.get("x-amz-checksum-sha256")))
        return 200, "", {"ETag": f'"part<{number}>"'}

    def do_delete(self, place, query, headers):
        self.aborted.append(query["uploadId"][0])
        del self.uploads[query["uploadId"][0]]
        return 204, ""


def error(status, code):
    return status, f"<Error><Code>{code}</Code><Message>as the test says</Message></Error>"


@pytest.mark.parametrize(
    "answer, word",
    [
        (error(403, "AccessDenied"), "Access error"),
        (error(404, "NoSuchBucket"), "Access error"),
        (error(503, "SlowDown"), "Rate limited"),
        (error(500, "InternalError"), "Unknown error"),
        ((200, "no etag, so no S3"), "Unknown error"),
        ((502, "<html>Bad Gateway"), "Unknown error"),
        (error(400, "InvalidArgument"), "Unknown error"),
    ],
    ids=lambda value: re.sub("<[^>]*>", " ", str(value[1])).split()[0] if isinstance(value, tuple) else "",
)
def test_a_refusal_keeps_the_records(tmp_path, answer, word):
    with server(lambda *_: answer) as service:
        delivery = delivering.Delivery(tmp_path, "s3://bucket", endpoint=service.url)
        counts = delivery.run(1, 31, wait_s=2)
    assert (counts["delivered"], counts["waiting"], counts["rejected"]) == (0, 31, 0), counts
    assert counts["word"] == word and counts["failures"] >= 1
    assert "s3://bucket/AWSLogs/" in counts["error"], counts["error"]
    assert services.SECRET_KEY not in counts["log"] + counts["error"]


def test_an_object_that_s3_will_never_take(tmp_path):
    with server(lambda *_: error(400, "EntityTooLarge")) as service:
        counts = delivering.Delivery(tmp_path, "s3://bucket", endpoint=service.url).run(1, 31, wait_s=5)
    assert (counts["delivered"], counts["rejected"], counts["too-large"]) == (0, 31, 31), counts


def checksums(path):
    data = path.read_bytes()
    parts = [data[at : at + PART] for at in range(0, len(data), PART)]
    digests = [base64.b64encode(hashlib.sha256(part).digest()).decode() for part in parts]
    return [(str(number), len(part), digest) for number, (part, digest) in enumerate(zip(parts, digests), 1)]


def test_a_part_that_fails_is_sent_again(large):
    failures = []

    def fault(method, path):
        if "partNumber=2" in path and len(failures) < 2:
            failures.append(path)
            return error(500, "InternalError")
        return None

    bucket = Bucket(fault)
    with server(bucket) as service:
        outcome = put(service.url, "bucket", large)
    assert outcome == {"kind": DELIVERED, "word": "", "object": "s3://bucket/AWSLogs/k.log.gz", "fault": ""}
    assert bucket.parts == checksums(large) and len(failures) == 2
    assert (bucket.completed, bucket.uploads, bucket.aborted) == (1, {}, [])


ACLS = ["bucket-owner-full-control", "bucket-owner-read", "private"]
STORAGE_CLASSES = [
    "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE", "REDUCED_REDUNDANCY",
]  # fmt: skip
FULL_CONTROL = {"x-amz-acl": "bucket-owner-full-control"}
GZIP = {"content-type": "application/gzip"}
SSE = "x-amz-server-side-encryption"
# What a flow log says, and the headers that tell S3 what an object is to be.
DESCRIBED = [
    ({}, FULL_CONTROL),
    *(({"acl": acl}, {"x-amz-acl": acl}) for acl in ACLS),
    ({"acl": "none", "storage_class": "STANDARD", "encryption": "bucket"}, {}),
    *(({"storage_class": name}, FULL_CONTROL | {"x-amz-storage-class": name}) for name in STORAGE_CLASSES),
    ({"encryption": "sse-s3"}, FULL_CONTROL | {SSE: "AES256"}),
    ({"encryption": "sse-kms"}, FULL_CONTROL | {SSE: "aws:kms"}),
    ({"encryption": "sse-kms", "kms_key": KMS_KEY}, FULL_CONTROL | {SSE: "aws:kms", f"{SSE}-aws-kms-key-id": KMS_KEY}),
    ({"checksum": "none"}, FULL_CONTROL),
]


def asked(service, method, mark=""):
    """Content type and S3's own headers of each request of that kind; the latter have to be signed."""
    found = []
    for how, path, headers, _ in service.seen:
        if how != method or mark not in path:
            continue
        own = {name for name in headers if name.startswith("x-amz-")}
        signed = re.search("SignedHeaders=([^,]*)", headers["authorization"])[1].split(";")
        assert own <= set(signed), (own, signed)
        found.append({name: headers[name] for name in own - {"x-amz-date", "x-amz-content-sha256"}})
        if "content-type" in headers:
            found[-1]["content-type"] = headers["content-type"]
    return found


@pytest.mark.parametrize(("options", "described"), DESCRIBED, ids=lambda value: "-".join(value.values()) or "default")
def test_headers_of_a_whole_object(tmp_path, options, described):
    path = tmp_path / "object"
    path.write_bytes(b"some bytes")
    with server(Bucket()) as service:
        assert put(service.url, "bucket", path, **options)["kind"] == DELIVERED
    ((_, _, digest),) = checksums(path)
    checksum = {} if options.get("checksum") == "none" else {"x-amz-checksum-sha256": digest}
    assert asked(service, "PUT") == [described | GZIP | checksum]


@pytest.mark.parametrize(
    ("options", "described"),
    [
        DESCRIBED[0],
        (
            {"acl": "private", "encryption": "sse-kms", "kms_key": KMS_KEY, "storage_class": "GLACIER_IR"},
            {"x-amz-acl": "private", SSE: "aws:kms", f"{SSE}-aws-kms-key-id": KMS_KEY}
            | {"x-amz-storage-class": "GLACIER_IR"},
        ),
        ({"acl": "none", "encryption": "sse-s3", "checksum": "none"}, {SSE: "AES256"}),
    ],
    ids=["default", "sse-kms", "sse-s3"],
)
def test_headers_of_an_upload_in_parts(large, options, described):
    """The upload's beginning tells what the object is to be; the parts and the end bear checksums alone."""
    with server(Bucket()) as service:
        assert put(service.url, "bucket", large, **options)["kind"] == DELIVERED
    digests = [digest for _, _, digest in checksums(large)]
    checked = options.get("checksum") != "none"
    algorithm = {"x-amz-checksum-algorithm": "SHA256"} if checked else {}
    assert asked(service, "POST", "?uploads=") == [described | GZIP | algorithm]
    assert asked(service, "PUT") == [{"x-amz-checksum-sha256": digest} if checked else {} for digest in digests]
    assert asked(service, "POST", "?uploadId=") == [{"content-type": "application/xml"}]
    (end,) = [body.decode() for method, path, _, body in service.seen if method == "POST" and "?uploadId=" in path]
    assert re.findall("<ChecksumSHA256>(.*?)</ChecksumSHA256>", end) == (digests if checked else [])


OTHER_BYTES = {"ETag": "e", "x-amz-checksum-sha256": "A" * 43 + "="}


@pytest.mark.parametrize("headers", [{}, OTHER_BYTES], ids=["no ETag", "other bytes"])
@pytest.mark.parametrize("size", ["whole", "part"])
def test_what_does_not_confirm_is_not_delivered(large, tmp_path, size, headers):
    path = large
    if size == "whole":
        path = tmp_path / "small"
        path.write_bytes(b"small")
    bucket = Bucket(lambda method, path: (200, "", headers) if method == "PUT" else None)
    with server(bucket) as service:
        outcome = put(service.url, "bucket", path)
    assert outcome["kind"] == RETRY and ("other bytes" if headers else "without an ETag") in outcome["fault"], outcome
    assert (bucket.completed, bucket.uploads) == (0, {})


@pytest.mark.parametrize("where", ["partNumber=3", "POST uploadId=", "POST uploadId= in the body"])
def test_a_failed_upload_is_taken_back(large, where):
    refused = (200, "<Error><Code>InternalError</Code></Error>") if "body" in where else error(403, "AccessDenied")
    method, _, mark = where.removesuffix(" in the body").rpartition(" ")
    bucket = Bucket(lambda how, path: refused if mark in path and how == (method or how) else None)
    with server(bucket) as service:
        outcome = put(service.url, "bucket", large)
    assert outcome["kind"] == RETRY and outcome["fault"].startswith("s3://bucket/AWSLogs/k.log.gz: "), outcome
    assert (bucket.completed, bucket.uploads, len(bucket.aborted)) == (0, {}, 1)


def test_what_a_killed_process_left_is_taken_back(large):
    held = threading.Event()
    reached = threading.Event()

    def fault(method, path):
        if "partNumber=2" in path and not held.is_set():
            reached.set()
            held.wait(30)
        return None

    bucket = Bucket(fault)
    bucket.uploads["another's"] = "AWSLogs/k.log.gz.other"
    with server(bucket) as service:
        process = start_put(service.url, "bucket", large)
        assert reached.wait(30)
        process.kill()
        process.communicate()
        held.set()
        left = [name for name in bucket.uploads if name != "another's"]
        bucket.uploads = {left[0]: bucket.uploads[left[0]], "another's": "AWSLogs/k.log.gz.other"}
        bucket.parts.clear()
        assert put(service.url, "bucket", large)["kind"] == DELIVERED
    assert bucket.aborted == left and list(bucket.uploads) == ["another's"]


def test_stops_in_the_middle_of_an_upload(large):
    reached, held = threading.Event(), threading.Event()

    def fault(method, path):
        if "partNumber=2" in path:
            reached.set()
            held.wait(30)
        return None

    with server(Bucket(fault)) as service:
        process = start_put(service.url, "bucket", large)
        assert reached.wait(30)
        start = time.monotonic()
        process.terminate()
        out, _ = process.communicate(timeout=20)
        held.set()
    assert json.loads(out)["kind"] == RETRY and time.monotonic() - start < 5, out
