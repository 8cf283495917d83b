# SPDX-License-Identifier: Apache-2.0
"""Servers that tests deliver to: real processes on loopback ports, ended by their ids. Clients to look at them with."""

import contextlib
import os
import pathlib
import socket
import subprocess
import sys
import time

START_SECONDS = 30
REGION = "eu-central-1"
ACCESS_KEY, SECRET_KEY = "AKIAFLOWLOGTEST00001", "flowlog/test+secret=of/forty+characters0"
NODE_MODULES = pathlib.Path(__file__).parents[2] / "build-venv" / "node" / "node_modules"

# What an AWS client must not take from the machine that the tests run on.
_FOREIGN = ("AWS_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "CURL_", "SSL_CERT")


def environment(**more):
    """This process's environment without anything that steers AWS clients, and with `more`."""
    clean = {key: value for key, value in os.environ.items() if not key.upper().startswith(_FOREIGN)}
    return clean | {"AWS_EC2_METADATA_DISABLED": "true"} | more


def credentials():
    """Environment variables of the key that tests use where any key will do."""
    return {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port, address="127.0.0.1"):
    with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=1):
        return True
    return False


class Server:
    """A child process that listens on `port`. `namespace`: the tests/system/live one that it runs in, if any."""

    def __init__(self, command, port, log_path, address="127.0.0.1", namespace=None, **options):
        self.port, self.address, self.log_path = port, address, pathlib.Path(log_path)
        self._entered = namespace.entered if namespace else contextlib.nullcontext
        with open(log_path, "ab") as log, self._entered():
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **options)
        self._wait()

    def _wait(self):
        deadline = time.monotonic() + START_SECONDS
        with self._entered():
            while not answers(self.port, self.address):
                if self.process.poll() is not None or time.monotonic() > deadline:
                    said = self.log_path.read_text(errors="replace")
                    self.close()
                    raise RuntimeError(f"{self.process.args[0]} does not listen on {self.port}: {said}")
                time.sleep(0.05)

    @property
    def endpoint(self):
        return f"http://{self.address}:{self.port}"

    def close(self):
        """Ends the process; also when it has stopped listening to signals."""
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)


class Moto(Server):
    """moto as a server: S3, STS, CloudWatch Logs, Firehose. Everything it holds goes with it."""

    def __init__(self, log_path, port=None, address="127.0.0.1", namespace=None, **options):
        port = port or free_port()
        command = [sys.executable, "-c", "from moto.server import main; main()", "-H", address, "-p", str(port)]
        super().__init__(command, port, log_path, address, namespace, env=environment(), **options)


def client(service, endpoint, **options):
    """A boto3 client that looks at what a server holds."""
    import boto3  # of build-venv; what needs no AWS client runs without it

    options = {"region_name": REGION, "aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY} | options
    return boto3.client(service, endpoint_url=endpoint, **options)


def aws(endpoint, *arguments, timeout=60):
    """The `aws` command of build-venv; its standard output."""
    command = [sys.executable, "-m", "awscli", "--endpoint-url", endpoint, "--region", REGION, *arguments]
    result = subprocess.run(command, env=environment(**credentials()), capture_output=True, text=True, timeout=timeout)
    assert result.returncode == 0, result.stderr
    return result.stdout
