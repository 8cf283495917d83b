# SPDX-License-Identifier: Apache-2.0
"""flowlog status, with no daemon and with documents a daemon could answer."""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import threading

import pytest

ROOT = pathlib.Path(__file__).parents[2]
BUILD = pathlib.Path(os.environ.get("FLOWLOG_BUILD", ROOT / "build"))

SIDE = {"seen": 110, "recorded": 100, "excluded": 5, "not-ip": 1, "malformed": 1, "added": 0, "lost-full": 2,
        "lost-busy": 1, "lost-memory": 3, "discarded": 4, "unmatched": 0}
DOCUMENT = {
    "version": "0.1.0", "pid": 4711, "started": 1700000000, "now": 1700000300, "state-folder": "/srv/state",
    "capturing": True,
    "capture": {"attach": "tcx", "map-entries": 262144, "moves-lost": 0},
    "interfaces": [{"ifindex": 2, "device": "tap0", "interface-id": "eni-0a", "role": "port",
                    "addresses": ["10.0.0.5", "fd00::5"], "attached": True, "error": "", "last-packet": 1700000270}],
    "windows": [{"start": 1700000280, "interval": 60, "closes-in": 40, "flows": 3, "packets": 30, "bytes": 999}],
    "ledger": [{"window": 1700000220, "interval": 60, "device": "tap0", "interface-id": "eni-0a", "ingress": SIDE,
                "egress": {**SIDE, "seen": 777}, "closes": True, "difference": None, "log-status": "OK", "lost-long": 8,
                "reasons": [{"reason": "NO_SOCKET", "direction": "ingress", "packets": 4}]}],
    "flow-logs": [{"id": "fl-0a", "name": None, "destination": "file:///srv/logs", "records": 12, "objects": 2,
                   "waiting": 1, "last-object": "a.log.gz", "refused": {"too-new": 0, "too-old": 7, "expired": 2},
                   "unreadable-files": 3,
                   "deliver-logs-status": "FAILED",
                   "error": "disk\u001b[31m full"}],
}


def status(folder, *options):
    return subprocess.run([BUILD / "flowlog", "status", "--state", folder, *options], text=True, capture_output=True,
                          timeout=30, check=False)


@contextlib.contextmanager
def answering(folder, answer):
    """One connection is served: the request is read, `answer` written."""
    requests = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "control.sock"))
        listener.listen()

        def serve():
            client, _ = listener.accept()
            with client:
                requests.append(client.makefile("rb").readline())
                client.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield requests
        thread.join(10)
        assert not thread.is_alive()


def line(document):
    return json.dumps(document).encode() + b"\n"


def row(text, first):
    return next(words for words in map(str.split, text.splitlines()) if words and words[0] == first)


@pytest.mark.parametrize("folder", [".", "missing", "n" * 200])
def test_no_daemon(tmp_path, folder):
    done = status(tmp_path / folder)
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr.startswith("flowlog status: no daemon answers at ")
    assert done.stderr.count("\n") == 1


def test_dead_socket(tmp_path):
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "control.sock"))
    done = status(tmp_path, "-o", "json")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)


def test_json_is_the_document(tmp_path):
    with answering(tmp_path, line(DOCUMENT)) as requests:
        done = status(tmp_path, "-o", "json")
    assert requests == [b'{"command":"status"}\n']
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1
    assert json.loads(done.stdout) == DOCUMENT


def test_tables(tmp_path):
    with answering(tmp_path, line(DOCUMENT)):
        done = status(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    text = done.stdout
    assert "process 4711, up 5 min, state in /srv/state: capturing\n" in text
    assert "attach tcx, map-entries 262144, moves-lost 0\n" in text
    assert row(text, "tap0") == "tap0 eni-0a port - 10.0.0.5, fd00::5 30 s ago yes".split()
    assert row(text, "2023-11-14T22:18:00Z") == "2023-11-14T22:18:00Z 60 s 40 s 3 30 999".split()
    ledger = [words for words in map(str.split, text.splitlines()) if words[:2] == ["2023-11-14T22:17:00Z", "tap0"]]
    assert ledger[0][2:12] == "ingress 110 100 5 1 1 6 yes - OK".split()
    assert " ".join(ledger[0][12:]) == "lost-full 2, lost-busy 1, lost-memory 3, discarded 4, lost-long 8, NO_SOCKET 4"
    assert ledger[1][2:9] == "egress 777 100 5 1 1 6".split()
    assert not {"NO_SOCKET", "lost-long"} & set(ledger[1])
    assert " ".join(row(text, "fl-0a")).endswith(
        "FAILED - a.log.gz; error: disk?[31m full; refused: 7 too-old, 2 expired; unreadable files: 3")


def test_not_capturing_yet(tmp_path):
    interfaces = [
        {"device": "tap1", "attached": True, "error": ""},
        {"device": "tap0", "attached": False, "error": "no clsact"},
    ]
    with answering(tmp_path, line({**DOCUMENT, "capturing": False, "interfaces": interfaces})):
        done = status(tmp_path)
    assert done.returncode == 3
    assert "not capturing yet\n" in done.stdout
    assert done.stderr == "flowlog status: the daemon is not capturing yet: 1 of 2 interfaces attached; tap0: no clsact\n"


@pytest.mark.parametrize("answer", [b"", b"{}", b"[]\n", b"\xff\n", b'{"error":"no"}\n'])
def test_answers_that_are_none(tmp_path, answer):
    with answering(tmp_path, answer):
        done = status(tmp_path)
    assert done.returncode == 4
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)


@pytest.mark.parametrize("document", [{}, {"capturing": 1, "interfaces": 7, "ledger": [None, 3, {}], "windows": {}}])
def test_documents_with_holes(tmp_path, document):
    with answering(tmp_path, line(document)):
        done = status(tmp_path)
    assert done.returncode == 3
    assert done.stderr == "flowlog status: the daemon is not capturing yet: 0 of 0 interfaces attached\n"


def test_help_has_an_example():
    done = subprocess.run([BUILD / "flowlog", "status", "--help"], text=True, capture_output=True, check=True)
    assert "\n  flowlog status -o json\n" in done.stdout
