# SPDX-License-Identifier: Apache-2.0
"""flowlog query --engine: what it says to clusters, and what it does when they misbehave. Real ones: tests/engines."""

import base64
import json
import os
import pathlib
import socket
import subprocess
import time

import pytest
import scripted

ROOT = pathlib.Path(__file__).parents[2]
BUILD = pathlib.Path(os.environ.get("FLOWLOG_BUILD", ROOT / "build"))


def query(*arguments, **environment):
    clean = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return subprocess.run([BUILD / "flowlog", "query", *arguments], capture_output=True, timeout=60, check=False, text=True,
                          env=clean | environment)


def refused(done, status, *words):
    """One line on standard error that has these words."""
    assert (done.returncode, done.stdout) == (status, ""), (done.returncode, done.stderr)
    assert len(done.stderr.splitlines()) == 1 and done.stderr.startswith("flowlog query: "), done.stderr
    for word in words:
        assert word in done.stderr
    return True


def page(**members):
    return 200, json.dumps({"id": "20260101_000000_00001_abcde", "stats": {"state": "RUNNING"}} | members)


COLUMNS = [{"name": "n", "type": "bigint"}, {"name": "t", "type": "varchar(3)"}]


def pages(server, *answers):
    """A Trino that gives these pages, one behind the other; each but the last gets a nextUri."""
    todo = list(answers)

    def answer(method, *_):
        if method == "DELETE":
            return 204, ""
        status, body = todo.pop(0)
        if status == 200 and todo:
            body = json.dumps(json.loads(body) | {"nextUri": f"{server().url}/v1/statement/queued/x/{len(todo)}"})
        return status, body
    return answer


def ask_pages(*answers, arguments=("SELECT 1", "-o", "json"), user="me", path="/cat/sch", **environment):
    with scripted.server(pages(lambda: server, *answers)) as server:
        place = f"trino://{user}@127.0.0.1:{server.server_port}{path}"
        return query(*arguments, "--engine", place, **environment), server.seen


def test_trino_pages():
    done, seen = ask_pages(page(), page(columns=COLUMNS), (503, "busy"), page(columns=COLUMNS, data=[[1, "a"], [2, None]]),
                           page(columns=COLUMNS, data=[[3, 'b "c"']]), page(columns=COLUMNS))
    assert done.returncode == 0, done.stderr
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"n": 1, "t": "a"}, {"n": 2, "t": None}, {"n": 3, "t": 'b "c"'}]
    assert [request[0] for request in seen] == ["POST"] + ["GET"] * 5
    method, path, headers, body = seen[0]
    assert (method, path, body) == ("POST", "/v1/statement", b"SELECT 1")
    assert headers["x-trino-user"] == "me" and headers["x-trino-source"] == "flowlog"
    assert headers["x-trino-catalog"] == "cat" and headers["x-trino-schema"] == "sch" and "authorization" not in headers


def test_trino_passwords():
    for user, environment, password in (("u%40x:p%3Aw", {}, "p:w"), ("u%40x", {"TRINO_PASSWORD": "from outside"}, "from outside")):
        done, seen = ask_pages(page(columns=COLUMNS, data=[[1, "a"]]), user=user, path="", **environment)
        assert done.returncode == 0, done.stderr
        assert seen[0][2]["authorization"] == "Basic " + base64.b64encode(f"u@x:{password}".encode()).decode()
        assert "x-trino-catalog" not in seen[0][2]


def error(kind, message):
    return page(error={"message": message, "errorType": kind, "errorName": "X", "errorCode": 1})


@pytest.mark.parametrize(("answers", "status", "words"), [
    ([page(), error("USER_ERROR", "line 1:8: Column 'x' cannot be resolved\nmore")], 2, ["Column 'x' cannot be resolved"]),
    ([error("INSUFFICIENT_RESOURCES", "Query exceeded memory")], 4, ["exceeded memory"]),
    ([error("INTERNAL_ERROR", None)], 4, ["without a message"]),
    ([(401, "Unauthorized")], 3, ["401", "Unauthorized"]),
    ([(404, "<html>not here</html>")], 4, ["404"]),
    ([(200, "<html>hello</html>")], 4, ["not Trino's"]),
    ([(200, "[1]")], 4, ["not Trino's"]),
    ([(200, "")], 4, ["not Trino's"]),
    ([page(data=[[1, "a"]])], 4, ["does not fit"]),
    ([page(columns=COLUMNS, data=[[1]])], 4, ["does not fit"]),
    ([page(columns=[{"name": "n"}], data=[[1]])], 4, ["without name or type"]),
    ([page(nextUri="http://198.51.100.1:80/v1/statement/x")], 4, ["another server"]),
    ([page(nextUri=7)], 1, []),
])
def test_trino_refusals(answers, status, words):
    done, _ = ask_pages(*answers)
    if status == 1:
        assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    else:
        assert refused(done, status, *words)


def test_trino_rows_before_an_error_are_printed():
    done, _ = ask_pages(page(columns=COLUMNS, data=[[1, "a"]]), error("EXTERNAL", "a file is damaged"))
    assert done.returncode == 4 and json.loads(done.stdout) == {"n": 1, "t": "a"} and "damaged" in done.stderr


def test_trino_question_is_ended_that_nobody_waits_for():
    with scripted.server(lambda method, *_: (204, "") if method == "DELETE" else page(
            nextUri=f"{server.url}/v1/statement/queued/x/1")) as server:
        began = time.monotonic()
        done = query("SELECT 1", "--engine", f"trino://127.0.0.1:{server.server_port}", "--timeout", "2")
        assert time.monotonic() - began < 20
        assert refused(done, 3, "within 2 s", "--timeout")
        assert [r[0] for r in server.seen][-1] == "DELETE"


@pytest.mark.parametrize("scheme", ["trino", "clickhouse"])
def test_nobody_listens(scheme):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        assert refused(query("SELECT 1", "--engine", f"{scheme}://127.0.0.1:{closed.getsockname()[1]}"), 3, "127.0.0.1")


@pytest.mark.parametrize("scheme", ["trino", "clickhouse"])
def test_nobody_answers(scheme):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        done = query("SELECT 1", "--engine", f"{scheme}://127.0.0.1:{mute.getsockname()[1]}", "--timeout", "1")
        assert refused(done, 3)


def ask_clickhouse(status, body, user="", **environment):
    with scripted.server(lambda *_: (status, body)) as server:
        done = query("SELECT 1", "-o", "json", "--engine", f"clickhouse://{user}127.0.0.1:{server.server_port}/d%26b",
                     **environment)
        return done, server.seen[0]


def test_clickhouse_request():
    answer = '["n","m"]\n["UInt64","Nullable(Float64)"]\n["18446744073709551615",0.1]\n[7,null]\n["1","nan"]\n'
    done, (method, path, headers, body) = ask_clickhouse(200, answer, user="reader:s%3Ccret@")
    assert done.returncode == 0, done.stderr
    assert done.stdout == '{"n":18446744073709551615,"m":0.1}\n{"n":7,"m":null}\n{"n":1,"m":"nan"}\n'
    assert (method, body) == ("POST", b"SELECT 1") and "database=d%26b" in path
    assert headers["x-clickhouse-user"] == "reader" and headers["x-clickhouse-key"] == "s<cret"
    _, (_, _, headers, _) = ask_clickhouse(200, answer, CLICKHOUSE_PASSWORD="of the environment")
    assert headers["x-clickhouse-user"] == "default" and headers["x-clickhouse-key"] == "of the environment"


@pytest.mark.parametrize(("status", "body", "code", "words"), [
    (400, "Code: 62. DB::Exception: Syntax error: failed at position 1 (SYNTAX_ERROR) (version 26.1)\n", 2, ["Syntax error"]),
    (403, "Code: 516. DB::Exception: default: Authentication failed\nmore\n", 3, ["Authentication failed"]),
    (500, "Code: 241. DB::Exception: Memory limit exceeded\n", 4, ["Memory limit"]),
    (502, "<html>\n", 4, ["502"]),
    (200, "no json\n", 4, ["not in the form"]),
    (200, '["n"]\n', 4, ["not in the form"]),
    (200, '["n"]\n["Int8"]\n[1,2]\n', 4, ["does not fit"]),
    (200, '["n"]\n["Int8"]\n[1\n', 4, ["not in the form"]),
    (200, '["n"]\n[8]\n[1]\n', 4, ["without name or type"]),
])
def test_clickhouse_refusals(status, body, code, words):
    done, _ = ask_clickhouse(status, body)
    assert refused(done, code, *words)


@pytest.mark.parametrize("place", [
    "trino:", "trino://", "trino://:80/", "trino://h:0/", "trino://h:99999", "trino://h:8x", "trino://h/a/b/c", "trino://h?x=1",
    "trino://us%0Aer@h/", "clickhouse://h/a/b", "clickhouse://h h/", "mysql://h/", "presto", "", "trino://[::1/",
])
def test_places_that_are_none(place):
    assert refused(query("SELECT 1", "--engine", place), 2, "--engine")


def test_password_is_never_told():
    done = query("SELECT 1", "--engine", "trino://me:s3cret@h:0/")
    assert refused(done, 2) and "s3cret" not in done.stderr
    done, _ = ask_clickhouse(500, "boom", user="me:s3cret@")
    assert refused(done, 4) and "s3cret" not in done.stderr


def test_usage():
    assert refused(query("top-talkers", "--engine", "athena"), 2, "--print-sql")
    assert refused(query("SELECT 1", "--engine", "spark"), 2, "--print-sql")
    assert refused(query("SELECT 1", "--engine", "trino://h/", "--since", "1h"), 2, "into the SQL")
    assert refused(query("portscans"), 2, "port-scans")
    assert refused(query("port-scans", "min-port=3"), 2, "'min-ports'")
    assert refused(query("port-scans", "min-ports"), 2, "NAME=VALUE")
    assert refused(query("port-scans", "min-ports=3", "min-ports=4"), 2, "twice")
    assert refused(query("traffic-from"), 2, "address=")
    assert refused(query("SELECT 1", "--explain-query"), 2, "--list")
    assert refused(query(), 2, "--list")
