# SPDX-License-Identifier: Apache-2.0
"""Calls of the EC2 API by the aws command, all in one process of the Python it belongs to: aws_calls.py ENDPOINT, a JSON
list of [operation, parameters] on standard input. An answer or an error's code for each, on standard output. What an
answer of before holds is told as {"$": [index, member, ...]}."""

import contextlib
import io
import json
import re
import sys

import awscli.clidriver
from earlier_answers import filled

try:
    from awscli.botocore import xform_name  # of version 2, which has its own
except ImportError:
    from botocore import xform_name

ERROR = re.compile(r"An error occurred \((.+?)\) when calling the \w+ operation(?: \(reached max retries: 0\))?: (.*)", re.DOTALL)


def arguments(member, value):
    """A parameter as the command has it: --flow-log-ids a b, --dry-run, --filters JSON."""
    option = "--" + xform_name(member, "-")
    if isinstance(value, bool):
        return [option if value else option.replace("--", "--no-", 1)]
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return [option, *value]
    return [option, json.dumps(value) if isinstance(value, (list, dict)) else str(value)]


def one_client(session):
    """The command makes a client of the service each time, which takes four fifths of a call: one does for all."""
    create, made = session.create_client, {}

    def create_once(service, *arguments, **options):
        if service not in made:
            made[service] = create(service, *arguments, **options)
        return made[service]

    session.create_client = create_once


def main():
    driver, answers = awscli.clidriver.create_clidriver(), []
    one_client(driver.session)
    for operation, parameters in json.load(sys.stdin):
        command = ["--endpoint-url", sys.argv[1], "--output", "json", "--no-paginate", "ec2", xform_name(operation, "-")]
        for member, value in parameters.items():
            command += arguments(member, filled(value, answers))
        said, complaint = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complaint):
            status = driver.main(command)
        error = ERROR.search(complaint.getvalue())
        if status == 0:
            answers.append(json.loads(said.getvalue() or "{}"))
        else:
            answers.append({"error": error[1], "message": error[2].strip()} if error else {"error": complaint.getvalue()})
    json.dump(answers, sys.stdout)


main()
