# SPDX-License-Identifier: Apache-2.0
"""Every named query and table definition for Trino and Athena is SQL by Trino's own grammar. A server: tests/engines."""

import pathlib
import subprocess

import questions
import test_named
import test_schema

ROOT = pathlib.Path(__file__).parents[2]


def parse(statements):
    """What Trino's parser says: a line for each that it refuses, then how many it took."""
    done = subprocess.run(["java", "-cp", f"{ROOT}/build-trino-parser/*", ROOT / "tests/system/trino/Parse.java"],
                          input="\0".join(statements), capture_output=True, text=True, timeout=120, check=True)
    return done.stdout.splitlines()


def definitions(engine, *kind):
    for form in ("parquet", "plain-text"):
        for more in ((), ("--hive",), ("--hive", "--hourly"), ("--accounts", "1,2", "--regions", "r", "--hourly")):
            text = test_schema.schema(engine, "--location", "s3://b/p", "--file-format", form, *more)
            yield from (s for s in text.split(";\n") if s.startswith(kind))


def test_grammar():
    statements = [test_named.sql_of(engine, name, *question.parameters, "since=1", "limit=7")
                  for engine in ("trino", "athena") for name, question in questions.QUESTIONS.items()]
    statements += definitions("trino", "CREATE", "CALL")
    statements += definitions("athena", "CREATE OR REPLACE VIEW")  # its tables are Hive's
    assert parse(statements) == [f"{len(statements)} parsed"]
    said = parse(["SELECT 1 FROM WHERE", "SELECT 1"])
    assert len(said) == 2 and "mismatched input" in said[0] and said[1] == "1 parsed"
