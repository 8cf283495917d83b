# SPDX-License-Identifier: Apache-2.0
"""Drives build/tests/probe/aws_probe: questions and answers are JSON objects, a line each."""

import json
import os
import pathlib
import subprocess

BUILD = pathlib.Path(os.environ.get("FLOWLOG_BUILD", pathlib.Path(__file__).parents[2] / "build"))


class Probe:
    """One process of the probe; ends with the block. `environment` is all of its environment."""

    def __init__(self, environment):
        self.process = subprocess.Popen(
            [BUILD / "tests" / "probe" / "aws_probe"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            assert self.process.wait(20) == 0
        finally:
            self.process.kill()
            self.process.stdout.close()

    def ask(self, question, **members):
        self.process.stdin.write(json.dumps({"ask": question} | members) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())
