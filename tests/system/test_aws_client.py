# SPDX-License-Identifier: Apache-2.0
"""What a client of AWS has to live with: wrong clocks, expired keys, proxies, certificates, redirects, dead ends."""

import datetime
import json
import socket
import ssl
import threading
import time

import pytest

import probe
import services
from authority import Authority
from scripted import server, stamp

EXPIRED, SKEWED, NETWORK, CREDENTIALS = 4, 5, 1, 3  # enum aws_error_class


def call(endpoint, environment=None, **members):
    question = {"service": "s3", "method": "GET", "path": "/", "endpoint": endpoint, "bucket": "b"} | members
    with probe.Probe(services.environment(**(services.credentials() if environment is None else environment))) as asked:
        return asked.ask("call", **question)


def refuse(code, message="", status=403):
    return status, f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"


def test_follows_the_clock_of_the_service():
    """A service five hours ahead: one refusal, then a signature by its clock."""
    ahead = 5 * 3600
    times = []

    def answer(method, path, headers):
        signed = datetime.datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC)
        times.append(signed.timestamp())
        off = abs(times[-1] - time.time() - ahead)
        return refuse("RequestTimeTooSkewed") if off > 900 else (200, "fine")

    with server(answer, ahead) as service:
        found = call(service.url)
    assert (found["status"], found["body"], len(times)) == (200, "fine", 2), found


def test_a_clock_that_is_no_use():
    """Refused for its time again and again: given up after the second, with the service's word for it."""
    with server(lambda *_: refuse("RequestTimeTooSkewed", "The difference is too large")) as service:
        found = call(service.url)
        assert len(service.seen) == 2
    assert found["class"] == SKEWED and "The difference is too large" in found["fault"]


def test_fetches_new_keys_when_they_have_expired(tmp_path):
    rounds = []

    def answer(method, path, headers):
        if path == "/keys":
            rounds.append(path)
            keys = {"AccessKeyId": f"AKIA{len(rounds)}", "SecretAccessKey": "s", "Token": "t"}
            return 200, json.dumps(keys | {"Expiration": stamp(time.time() + 3600)})
        return (200, "fine") if "Credential=AKIA2/" in headers["authorization"] else refuse("ExpiredToken", status=400)

    with server(answer) as service:
        environment = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": service.url + "/keys", "HOME": str(tmp_path)}
        found = call(service.url, environment)
    assert found["body"] == "fine" and len(rounds) == 2, found


def test_goes_through_a_proxy():
    """An http:// address is asked of the proxy in full; no_proxy and instance metadata go past it."""
    with server(lambda method, path, headers: (200, path + " for " + headers["host"])) as proxy:
        keys = services.credentials()
        for found in (
            call("http://s3.nowhere.invalid:9000", proxy=proxy.url),
            call("http://s3.nowhere.invalid:9000", keys | {"http_proxy": proxy.url}),
        ):
            assert found["body"] == "http://s3.nowhere.invalid:9000/b/ for s3.nowhere.invalid:9000", found
        seen = len(proxy.seen)
        assert call("http://s3.nowhere.invalid:9000", keys | {"http_proxy": proxy.url, "no_proxy": "*"})["class"] == NETWORK
        assert len(proxy.seen) == seen


def test_trusts_the_ca_bundle_alone(tmp_path):
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.server)
    with server(lambda *_: (200, "over TLS")) as service:
        service.socket = context.wrap_socket(service.socket, server_side=True)
        url = service.url.replace("http:", "https:")
        keys = services.credentials()
        assert call(url, keys, ca_bundle=str(authority.bundle))["body"] == "over TLS"
        assert call(url, keys | {"AWS_CA_BUNDLE": str(authority.bundle)})["body"] == "over TLS"
        refused = call(url, keys)
        assert refused["class"] == NETWORK and "ertificate" in refused["fault"], refused
        missing = call(url, keys, ca_bundle=str(tmp_path / "absent.pem"))
        assert missing["class"] == NETWORK, missing


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n" + b"x" * 2000000,
    ],
    ids=["closes", "half an answer", "garbage", "too much"],
)
def test_broken_answers(said):
    """Nothing that is not a whole answer counts as one."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            for _ in range(2):  # a kept connection that breaks is tried once more
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    try:
                        connection.sendall(said)
                    except OSError:
                        pass

        thread = threading.Thread(target=serve)
        thread.start()
        found = call(f"http://127.0.0.1:{listener.getsockname()[1]}")
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert found["class"] == NETWORK and found["fault"], found


def test_nobody_there():
    found = call(f"http://127.0.0.1:{services.free_port()}")
    assert found["class"] == NETWORK and "127.0.0.1" in found["fault"]


def test_secrets_stay_out_of_faults(tmp_path):
    """Whatever goes wrong, what is said of it holds neither secret key nor token nor signature."""
    keys = services.credentials() | {"AWS_SESSION_TOKEN": "session/token+to=keep"}
    with server(lambda *_: refuse("SignatureDoesNotMatch", "The request signature does not match")) as service:
        refused = call(service.url, keys)
    faults = [refused["fault"], call(f"http://127.0.0.1:{services.free_port()}", keys)["fault"]]
    faults.append(call("http://127.0.0.1:1", keys | {"AWS_SECRET_ACCESS_KEY": "with space inside"})["fault"])
    for fault in faults:
        assert fault
        for secret in (services.SECRET_KEY, "session/token", "with space", "Signature="):
            assert secret not in fault


def test_region_of_a_custom_endpoint():
    """The signing region: the settings', the environment's, else the one that plain servers expect."""
    with server(lambda method, path, headers: (200, headers["authorization"])) as service:
        keys = services.credentials()
        assert "/us-east-1/s3/" in call(service.url, keys)["body"]
        assert "/eu-west-3/s3/" in call(service.url, keys | {"AWS_REGION": "eu-west-3"})["body"]
        assert "/ap-south-1/s3/" in call(service.url, keys | {"AWS_REGION": "eu-west-3"}, region="ap-south-1")["body"]
        assert "/eu-west-3/s3/" in call(service.url, keys | {"AWS_REGION": "eu-west-3"}, region="local")["body"]
    without = call(None, services.credentials(), region="local")
    assert without["class"] == CREDENTIALS and "no region of AWS" in without["fault"], without
