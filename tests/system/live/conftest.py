# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the live tests: root, a mounted BPF file system, labs and daemons that are always taken down."""

import os
import pathlib

import pytest

from . import bpf, lab, traffic, witness
from .daemon import BUILD, Absent, Daemon


# Check that the traffic and the firewalls do what the tests say, without the daemon.
SCENES_ONLY = os.environ.get("FLOWLOG_SCENES_ONLY") == "1"


@pytest.fixture(scope="session", autouse=True)
def machine():
    """What every live test needs of the machine. Without root there is nothing to test."""
    if os.geteuid() != 0:
        pytest.skip("live tests need root: network namespaces, nftables, BPF")
    if not SCENES_ONLY:
        assert (BUILD / "flowlogd").exists(), f"{BUILD}/flowlogd is not built"
    lab.mount_bpf_file_system()
    lab.sweep()
    yield
    lab.sweep()


@pytest.fixture
def net(machine):
    made = lab.Lab()
    yield made
    made.close()


@pytest.fixture
def host(net):
    made = lab.HostLab(net)
    traffic.settle(made.client, made.host)  # multicast reports of new addresses
    return made


@pytest.fixture
def router(net):
    made = lab.RouterLab(net)
    traffic.settle(made.client, made.router, made.server)  # multicast reports of new addresses
    return made


@pytest.fixture
def bridge(net):
    made = lab.BridgeLab(net)
    traffic.settle(made.a, made.b, made.host)  # multicast reports of new addresses
    return made


@pytest.fixture
def start(net, tmp_path):
    """start(namespace, interfaces, ...): a daemon that captures (or will, with `begin=False`), taken down before its
    namespace goes."""
    started = []

    def start_one(namespace, interfaces, name="d", begin=True, **options):
        if SCENES_ONLY:
            return Absent(namespace)
        daemon = Daemon(namespace, tmp_path / f"{name}{len(started)}", interfaces, **options)
        started.append(daemon)
        return daemon.start() if begin else daemon

    yield start_one
    for daemon in started:
        daemon.close()


@pytest.fixture
def needs_daemon():
    if SCENES_ONLY:
        pytest.skip("scenes only")


@pytest.fixture(scope="session")
def discard_witness(machine, tmp_path_factory):
    programs = witness.load_discard_witness(tmp_path_factory.mktemp("witness"))
    yield programs
    programs.close()


@pytest.fixture(scope="session")
def verdict_object(machine, tmp_path_factory):
    return bpf.compile_program("verdict", tmp_path_factory.mktemp("verdict"))


@pytest.fixture(scope="session")
def library(machine, tmp_path_factory):
    """interpose.c, for daemon.interposed()."""
    target = tmp_path_factory.mktemp("interpose") / "interpose.so"
    source = pathlib.Path(__file__).parent / "interpose.c"
    lab.run("cc", "-std=gnu17", "-D_GNU_SOURCE", "-O1", "-fPIC", "-shared", "-Wall", "-Werror", "-o", str(target),
            str(source), "-lbpf", timeout=60)
    return target


@pytest.fixture
def foreign(verdict_object, net):
    """Foreign programs of verdict.bpf.c, loaded for one test."""
    programs = bpf.Programs(verdict_object)
    yield programs
    programs.close()


@pytest.fixture(scope="session")
def flood_binary(machine, tmp_path_factory):
    target = tmp_path_factory.mktemp("flood") / "flood"
    source = pathlib.Path(__file__).parents[2] / "bench" / "live" / "flood.c"
    lab.run("cc", "-std=gnu17", "-D_GNU_SOURCE", "-O2", "-o", str(target), str(source), timeout=60)
    return target


@pytest.fixture
def flood(flood_binary):
    """flood(namespace, source, destination, flows, payload, count=…, rate=…): UDP packets sent."""

    def send(namespace, source, destination, flows, payload, **options):
        words = [f"{key}={value}" for key, value in options.items()]
        said = namespace.run(str(flood_binary), source, destination, str(flows), str(payload), *words, timeout=60)
        return int(said.split()[0])

    return send


@pytest.fixture
def cgroup():
    """A cgroup of the unified hierarchy; `enter` puts sockets into it that are made inside the block."""
    made = Cgroup()
    yield made
    made.remove()


class Cgroup:
    def __init__(self):
        with open("/proc/mounts", encoding="ascii") as file:
            mounts = [line.split()[1] for line in file if line.split()[2] == "cgroup2"]
        assert mounts, "no cgroup2 hierarchy is mounted"
        self.root = mounts[0]
        self.path = os.path.join(self.root, f"flowlog-test-{os.getpid()}")
        os.mkdir(self.path)

    def _move(self, path):
        with open(os.path.join(path, "cgroup.procs"), "w", encoding="ascii") as file:
            file.write(str(os.getpid()))

    def __enter__(self):
        with open("/proc/self/cgroup", encoding="ascii") as file:
            home = next(line.split(":", 2)[2].strip() for line in file if line.startswith("0::"))
        self._home = self.root + home
        self._move(self.path)
        return self

    def __exit__(self, *_):
        self._move(self._home)

    def remove(self):
        lab.wait_for(lambda: self._try_remove(), what="an empty cgroup")

    def _try_remove(self):
        try:
            os.rmdir(self.path)
        except OSError:
            return False
        return True
