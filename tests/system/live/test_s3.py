# SPDX-License-Identifier: Apache-2.0
"""flowlogd delivers what it captures to S3: the bucket holds every packet once, also when the daemon was killed or the
service was away."""

import contextlib
import gzip
import http.client
import http.server
import socket
import ssl
import threading

import pytest

import services
from authority import Authority

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


def test_a_service_that_takes_and_never_answers_does_not_hold_the_end(host, scene):
    """SIGTERM ends in time; what was on its way comes with the next start, once."""
    start_daemon, start_bucket = scene
    with host.host.entered():
        stalled = socket.create_server(("127.0.0.1", 5000))
    with contextlib.closing(stalled):
        daemon, ends = start_daemon(), host.ends(8)
        with traffic.UdpSink(host.host, ends.b, PORT):
            traffic.udp(host.client, ends.a, ends.b, PORT, 43, PAYLOAD)
            traffic.settle(host.host, host.client)
            daemon.stop()
        stalled.settimeout(1)
        stalled.accept()[0].close()  # it had come that far
    bucket = start_bucket()
    daemon.start()
    daemon.stop()
    assert totals(bucket.records(), daemon.devices) == expected(ends, 43), daemon.log()


class Proxy:
    """A proxy that opens the TLS of what goes through CONNECT, notes it, and hands all of it to moto."""

    def __init__(self, namespace, authority, moto):
        self.seen = seen = []  # (host that was asked for, method, path, headers, body)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.server)

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_CONNECT(self):
                self.target = self.path
                self.send_response(200)
                self.end_headers()
                self.connection = context.wrap_socket(self.connection, server_side=True)
                self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)

            def forward(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                seen.append((self.target, self.command, self.path, dict(self.headers), body))
                upstream = http.client.HTTPConnection(moto.address, moto.port, timeout=30)
                upstream.request(self.command, self.path, body, dict(self.headers))
                answer = upstream.getresponse()
                data = answer.read()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
                upstream.close()

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = forward

            def handle(self):
                with namespace.entered(), contextlib.suppress(OSError):
                    super().handle()

            def log_message(self, *_):
                pass

        with namespace.entered():
            self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def test_as_at_aws_by_a_role_through_a_proxy(host, start, tmp_path, monkeypatch):
    """No endpoint is given: the names are AWS's, resolved by nobody but the proxy. The key of the environment only
    assumes the role."""
    for name, value in services.credentials().items():
        monkeypatch.setenv(name, value)
    bucket_host, sts_host = f"{BUCKET}.s3.eu-central-1.amazonaws.com", "sts.eu-central-1.amazonaws.com"
    authority = Authority(tmp_path, names=[bucket_host, sts_host])
    bucket = Bucket(host.host, tmp_path / "moto.log", 5000)
    proxy = Proxy(host.host, authority, bucket.moto)
    role = "arn:aws:iam::123456789012:role/writer"
    entry = {"name": "s3", "interval": 60, "format": "all", "destination": f"s3://{BUCKET}/p", "role-arn": role,
             "external-id": "known:to/both", "proxy": proxy.url, "ca-bundle": str(authority.bundle)}
    try:
        daemon, ends = start(host.host, [interface("eth0")], flow_logs=[entry]), host.ends(4)
        with traffic.UdpSink(host.host, ends.b, PORT):
            traffic.udp(host.client, ends.a, ends.b, PORT, 47, PAYLOAD)
            traffic.settle(host.host, host.client)
            daemon.stop()
        assert totals(bucket.records(), daemon.devices) == expected(ends, 47), daemon.log()
    finally:
        proxy.close()
        bucket.moto.close()
    assumed = [body.decode() for target, *_, body in proxy.seen if target == f"{sts_host}:443"]
    assert len(assumed) == 1 and "Action=AssumeRole" in assumed[0]
    assert "RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fwriter" in assumed[0]
    assert "ExternalId=known%3Ato%2Fboth" in assumed[0]
    puts = [(path, headers) for target, method, path, headers, _ in proxy.seen
            if target == f"{bucket_host}:443" and method == "PUT"]
    assert puts and all(path.startswith("/p/AWSLogs/") for path, _ in puts)
    for _, headers in puts:
        assert {name.lower() for name in headers} >= {"x-amz-security-token", "authorization"}
        assert services.ACCESS_KEY not in str(headers)
