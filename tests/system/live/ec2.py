# SPDX-License-Identifier: Apache-2.0
"""The daemon's APIs through boto3, from within the daemon's namespace."""

import contextlib

import boto3
import botocore.config
import botocore.exceptions
import pytest

from . import http

URL = f"http://127.0.0.1:{http.PORT}"
KEY = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "secret"}


class Service:
    """A boto3 client whose connections are made in the daemon's namespace."""

    name, read_timeout = None, 20

    def __init__(self, namespace, url=URL, verify=None, **key):
        config = botocore.config.Config(retries={"max_attempts": 1}, connect_timeout=5, read_timeout=self.read_timeout)
        self._client = boto3.client(self.name, endpoint_url=url, verify=verify, region_name="eu-central-1",
                                    config=config, **(key or KEY))
        self._namespace = namespace

    def __getattr__(self, name):
        def call(**parameters):
            with self._namespace.entered():
                return getattr(self._client, name)(**parameters)

        return call

    @contextlib.contextmanager
    def refused(self, code, text=""):
        """The block ends with that error of the service; all of its answer is in what the block is given."""
        found = {}
        with pytest.raises(botocore.exceptions.ClientError) as caught:
            yield found
        found.update(caught.value.response)
        error = found["Error"]
        assert error["Code"] == code, error
        assert text in error["Message"], error


class Ec2(Service):
    name = "ec2"

    def ids(self, **parameters):
        return [flow_log["FlowLogId"] for flow_log in self.describe_flow_logs(**parameters)["FlowLogs"]]
