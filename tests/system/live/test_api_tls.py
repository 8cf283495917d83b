# SPDX-License-Identifier: Apache-2.0
"""A listener beyond loopback: with TLS and access keys, or not at all."""

import json
import pathlib
import signal
import ssl
import subprocess
import sys

import botocore.exceptions
import pytest

from authority import Authority

from . import http, lab
from .daemon import BUILD, interface
from .ec2 import Ec2

ADDRESS = "10.77.1.1"  # of the host, as its client sees it
URL = f"https://{ADDRESS}:{http.PORT}"


def listen(authority, **more):
    return {"listen": {"address": "0.0.0.0", "port": http.PORT, "certificate": str(authority.server),
                       "key": str(authority.server)} | more}


def make_key(state, *options):
    done = subprocess.run([BUILD / "flowlog", "access-key", "create", "--state", state, "-o", "json", *options],
                          capture_output=True, text=True, timeout=10)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    return {"aws_access_key_id": made["id"], "aws_secret_access_key": made["secret"]}


def why_refused(daemon):
    """The daemon's one line when it does not start."""
    command = [BUILD / "flowlogd", "--config", daemon.config_path, "--state", daemon.state]
    with daemon.namespace.entered():
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode != 0
    return done.stderr


def test_from_another_host(host, start, tmp_path):
    authority = Authority(tmp_path, ["127.0.0.1", ADDRESS])
    daemon = start(host.host, [interface("eth0")], keys=listen(authority), begin=False)
    assert "there is no access key yet: make one first, flowlog access-key create" in why_refused(daemon)
    key = make_key(daemon.state)
    daemon.start()
    assert "listening on 0.0.0.0 port 8420 with TLS" in daemon.log()
    ec2 = Ec2(host.client, URL, str(authority.bundle), **key)
    assert ec2.ids() and Ec2(host.host, f"https://127.0.0.1:{http.PORT}", str(authority.bundle), **key).ids()
    with pytest.raises(botocore.exceptions.SSLError):
        Ec2(host.client, URL, **key).ids()
    with Ec2(host.client, URL, str(authority.bundle)).refused("AuthFailure"):
        Ec2(host.client, URL, str(authority.bundle)).describe_flow_logs()
    aws = str(pathlib.Path(sys.executable).parent / "aws")
    said = host.client.run(
        "env", f"AWS_ACCESS_KEY_ID={key['aws_access_key_id']}", f"AWS_SECRET_ACCESS_KEY={key['aws_secret_access_key']}",
        "AWS_DEFAULT_REGION=eu-central-1", "AWS_EC2_METADATA_DISABLED=true", aws, "--endpoint-url", URL, "--ca-bundle",
        str(authority.bundle), "--output", "json", "ec2", "describe-flow-logs", timeout=60)
    assert [one["FlowLogId"] for one in json.loads(said)["FlowLogs"]] == ec2.ids()
    # What speaks no TLS, too little of it, or nothing at all costs nothing.
    assert b"HTTP" not in http.raw(host.client, b"GET /healthz HTTP/1.0\r\n\r\n", address=ADDRESS)
    silent = [http.connect(host.client, ADDRESS) for _ in range(40)]
    assert ec2.ids()
    old = ssl.create_default_context(cafile=authority.bundle)
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    with http.connect(host.client, ADDRESS) as made, pytest.raises((ssl.SSLError, ConnectionError)):
        old.wrap_socket(made, server_hostname=ADDRESS)
    for one in silent:
        one.close()
    # The last key gone, nobody is let in: not as on loopback, where every user of the host is.
    revoked = subprocess.run([BUILD / "flowlog", "access-key", "revoke", key["aws_access_key_id"], "--state", daemon.state],
                             capture_output=True, text=True, timeout=10)
    assert revoked.returncode == 0
    with ec2.refused("AuthFailure"):
        ec2.describe_flow_logs()
    key = make_key(daemon.state, "--rights", "read")
    renewed = Authority(tmp_path, [ADDRESS])
    daemon.signal(signal.SIGHUP)
    lab.wait_for(lambda: "reloaded: " in daemon.log(), what="a reload")
    assert Ec2(host.client, URL, str(renewed.bundle), **key).ids()
    daemon.stop()


def test_certificates_that_are_of_no_use(host, start, tmp_path):
    authority = Authority(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    (tmp_path / "empty.pem").write_text("nothing\n")
    wrong = [({"certificate": str(tmp_path / "none.pem")}, "none.pem"),
             ({"certificate": str(tmp_path / "empty.pem")}, "listen: the listener cannot be started"),
             ({"key": str(Authority(other).server)}, "listen: the listener cannot be started")]
    for changes, text in wrong:
        daemon = start(host.host, [interface("eth0")], keys=listen(authority, address="127.0.0.1", **changes), begin=False)
        said = why_refused(daemon)
        assert text in said and len(said.splitlines()) == 1, said
    daemon = start(host.host, [interface("eth0")], keys=listen(authority, address="127.0.0.1"))
    with http.connect(host.host) as made:
        context = ssl.create_default_context(cafile=authority.bundle)
        with context.wrap_socket(made, server_hostname="127.0.0.1") as wrapped:
            wrapped.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            assert b"capturing" in wrapped.recv(4096) + wrapped.recv(4096)
            assert wrapped.version() == "TLSv1.3"
    daemon.stop()
