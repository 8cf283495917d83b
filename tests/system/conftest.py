# SPDX-License-Identifier: Apache-2.0
"""Fixtures of all system tests."""

import pytest

import services


@pytest.fixture(scope="session")
def moto(tmp_path_factory):
    """A moto server on loopback that all tests share: use buckets, groups and streams of your own."""
    server = services.Moto(tmp_path_factory.mktemp("moto") / "moto.log")
    yield server
    server.close()
