# SPDX-License-Identifier: Apache-2.0
"""flowlog check-config: every mistake on its line, all at once; and the daemon refuses the same file with the same words."""

import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]
BUILD = pathlib.Path(os.environ.get("FLOWLOG_BUILD", ROOT / "build"))

# Each line with a mistake says what is reported of it.
WRONG = """\
account: "12345"                                        # account
region: eu-central-1
topology:
  interfaces:
    - {device: "tap*", role: router}                    # role
    - device: eth0
      addresses: [10.0.0.1, 10.0.0]                     # addresses[1]
    - {role: nic}                                       # device
  subnets:
    - {subnet-id: subnet-1, cidr: 10.0.0.0/33}          # cidr
capture:
  map-entries: 12                                       # map-entries
  atach: tcx                                            # atach
flow-logs:
  - {name: a, destination: "file:///srv", interval: 61} # interval
  - name: b
    destination: nowhere                                # destination
    format: "${srcadr}"                                 # format
"""


def check(*arguments):
    return subprocess.run([BUILD / "flowlog", "check-config", *arguments], capture_output=True, text=True, timeout=30)


@pytest.fixture
def wrong(tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text(WRONG, encoding="ascii")
    return path


def test_every_mistake_on_its_line(wrong):
    done = check(wrong)
    assert (done.returncode, done.stdout) == (2, "")
    expected = {
        number: line.rpartition("# ")[2] for number, line in enumerate(WRONG.splitlines(), 1) if "# " in line
    }
    said = {}
    for line in done.stderr.splitlines():
        path, number, rest = line.split(":", 2)
        assert path == str(wrong)
        said.setdefault(int(number), []).append(rest)
    assert list(said) == sorted(said)
    for number, key in expected.items():
        assert any(key in rest.split(":")[0] and ": " in rest for rest in said[number]), (number, key, said.get(number))
    assert set(said) == set(expected)
    assert "srcaddr" in said[18][0] and "attach" in said[13][0]  # the nearest
    assert "'router'" in said[5][0] and "nic or port" in said[5][0]  # found, and allowed


def test_the_daemon_says_the_same(wrong, tmp_path):
    started = subprocess.run([BUILD / "flowlogd", "--config", wrong, "--state", tmp_path / "state"], capture_output=True,
                             text=True, timeout=30)
    assert started.returncode == 2
    assert started.stderr.startswith(check(wrong).stderr)


def test_right_files(tmp_path):
    for path in (ROOT / "packaging" / "flowlog.yaml", tmp_path / "empty.yaml"):
        path.touch()
        done = check(path)
        assert (done.returncode, done.stderr) == (0, "")
        assert f"{path}: right" in done.stdout


def test_what_is_shown_is_right(tmp_path):
    """What --show-config prints is itself a configuration, the same one."""
    shown = subprocess.run([BUILD / "flowlogd", "--config", ROOT / "packaging" / "flowlog.yaml", "--show-config"],
                           capture_output=True, text=True, timeout=30)
    assert (shown.returncode, shown.stderr) == (0, "")
    again = tmp_path / "shown.yaml"
    again.write_text(shown.stdout, encoding="utf-8")
    assert check(again).returncode == 0
    second = subprocess.run([BUILD / "flowlogd", "--config", again, "--show-config"], capture_output=True, text=True,
                            timeout=30)
    assert second.stdout == shown.stdout


@pytest.mark.parametrize("arguments, status", [(["/nonexistent.yaml"], 4), ([], 2), (["a", "b"], 2), (["--wrong"], 2)])
def test_wrong_usage(arguments, status):
    done = check(*arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert len(done.stderr.splitlines()) == 1
