# SPDX-License-Identifier: Apache-2.0
"""Fixtures of all system tests."""

import pathlib
import subprocess

import pytest

import services


@pytest.fixture(scope="session")
def moto(tmp_path_factory):
    """A moto server on loopback that all tests share: use buckets, groups and streams of your own."""
    server = services.Moto(tmp_path_factory.mktemp("moto") / "moto.log")
    yield server
    server.close()


@pytest.fixture(scope="session")
def kill_at(tmp_path_factory):
    """kill_at(n): the environment in which flowlog is killed at its n-th change of the disk."""
    library = tmp_path_factory.mktemp("kill") / "kill_at.so"
    source = pathlib.Path(__file__).parent / "kill_at.c"
    subprocess.run(["cc", "-std=gnu17", "-D_GNU_SOURCE", "-fPIC", "-shared", "-Wall", "-Werror", "-o", library, source],
                   check=True)
    return lambda n: {"LD_PRELOAD": str(library), "KILL_AT": str(n), "PATH": "/usr/bin:/bin",
                      "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0"}
