# SPDX-License-Identifier: Apache-2.0
"""Completion for bash and zsh offers what the programs really take."""

import os
import pathlib
import pty
import shlex
import shutil
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).parents[2]
BUILD = pathlib.Path(os.environ.get("FLOWLOG_BUILD", ROOT / "build"))
SCRIPT = ROOT / "packaging/flowlog.bash"


def complete(*words):
    """What bash would offer for the last of the words; "" for one not begun."""
    program = str(BUILD / words[0])
    previous = words[-2] if len(words) > 2 else program
    script = f"""
        compopt() {{ :; }}
        source {shlex.quote(str(SCRIPT))}
        COMP_WORDS=({shlex.join((program, *words[1:]))})
        COMP_CWORD={len(words) - 1}
        _flowlog {shlex.join((program, words[-1], previous))}
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", script], text=True, capture_output=True, check=True)
    return set(done.stdout.split())


def test_commands():
    assert {"fields", "convert"} <= complete("flowlog", "")
    assert complete("flowlog", "fiel") == {"fields"}


def test_options_of_a_command():
    assert complete("flowlog", "fields", "--ver") == {"--version"}
    assert "--help" in complete("flowlog", "convert", "-")


def test_choices_of_an_option():
    assert {"table", "json"} <= complete("flowlog", "fields", "--as", "")
    assert complete("flowlog", "fields", "-o", "js") == {"json"}


def test_named_queries_and_their_parameters():
    assert {"top-talkers", "port-scans"} <= complete("flowlog", "query", "")
    assert complete("flowlog", "query", "port-s") == {"port-scans"}
    assert complete("flowlog", "query", "port-scans", "min-") == {"min-ports="}


@pytest.mark.parametrize("option", ["--config", "--state", "--print"])
def test_options_of_the_daemon(option):
    assert complete("flowlogd", option[:-1]) == {option}


def test_nothing_to_offer_leaves_it_to_file_names():
    assert complete("flowlog", "convert", "") == set()


class Zsh:
    """An interactive zsh on a terminal of its own: what stands on its line after TAB."""

    SETUP = """PS1= PATH={build}:$PATH fpath=({functions} $fpath)
autoload -Uz compinit && compinit -u -D
told() {{ print -r -- $BUFFER >{line}; BUFFER= }}
zle -N told
bindkey '^T' told
cd {folder}
print -r -- ready >{line}
"""

    def __init__(self, folder):
        self.line = folder / "line"
        functions = folder / "functions"
        functions.mkdir()
        (functions / "_flowlog").symlink_to(ROOT / "packaging/flowlog.zsh")
        (folder / "only-file.log").touch()
        self._terminal, other = pty.openpty()
        self._process = subprocess.Popen(["zsh", "-f", "-i"], stdin=other, stdout=subprocess.DEVNULL,
                                         stderr=subprocess.DEVNULL, start_new_session=True)
        os.close(other)
        self._write(self.SETUP.format(build=BUILD, functions=functions, line=self.line, folder=folder))
        assert self._told() == "ready"

    def _write(self, text):
        os.write(self._terminal, text.encode())

    def _told(self):
        deadline = time.monotonic() + 30
        while not self.line.exists() or not self.line.read_text(encoding="utf-8").endswith("\n"):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        said = self.line.read_text(encoding="utf-8").rstrip("\n")
        self.line.unlink()
        return said

    def complete(self, typed):
        self._write(typed + "\t\x14")
        return self._told()

    def close(self):
        self._process.kill()
        self._process.wait(10)
        os.close(self._terminal)


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh(tmp_path):
    zsh = Zsh(tmp_path)
    try:
        for typed, completed in (
            ("flowlog fiel", "flowlog fields "),
            ("flowlog check-c", "flowlog check-config "),
            ("flowlog fields --ver", "flowlog fields --version "),
            ("flowlog fields -o js", "flowlog fields -o json "),
            ("flowlog fields --as cs", "flowlog fields --as csv "),
            ("flowlog convert only", "flowlog convert only-file.log "),
            ("flowlogd --sh", "flowlogd --show-config "),
        ):
            assert zsh.complete(typed).rstrip() == completed.rstrip(), typed
    finally:
        zsh.close()
