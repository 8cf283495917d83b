# SPDX-License-Identifier: Apache-2.0
"""Foreign BPF programs for the tests, compiled with clang and loaded through the C interface of libbpf."""

import ctypes
import os
import pathlib
import struct
import subprocess

SOURCES = pathlib.Path(__file__).parent / "bpf"
DROP_PORT = 4343  # verdict.bpf.c

XDP_GENERIC = 1 << 1
CGROUP_INGRESS, CGROUP_EGRESS = 0, 1
TCX = {"ingress": 46, "egress": 47}
ALLOW_MULTI = 1 << 1

_libbpf = ctypes.CDLL("libbpf.so.1", use_errno=True)
for _name in ("bpf_object__open_file", "bpf_object__find_program_by_name", "bpf_program__attach"):
    getattr(_libbpf, _name).restype = ctypes.c_void_p


def _checked(result, what):
    if result is None or (isinstance(result, int) and result < 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return result


def compile_program(name, directory):
    """Compiles bpf/NAME.bpf.c into the directory; the object's path."""
    target = pathlib.Path(directory) / f"{name}.bpf.o"
    subprocess.run(
        ["clang", "-g", "-O2", "-target", "bpf", "-Wall", "-Werror", "-I/usr/include/x86_64-linux-gnu"]
        + [f"-I/usr/include/{os.uname().machine}-linux-gnu", "-c", SOURCES / f"{name}.bpf.c", "-o", target],
        check=True,
    )
    return target


class Programs:
    """A loaded object file. Attachments end with `close`; links and programs go with the process in any case."""

    def __init__(self, path):
        self._object = ctypes.c_void_p(_checked(_libbpf.bpf_object__open_file(os.fsencode(path), None), str(path)))
        self._undo = []
        try:
            _checked(_libbpf.bpf_object__load(self._object), f"load of {path}")
        except OSError:
            _libbpf.bpf_object__close(self._object)
            raise

    def _program(self, name):
        return ctypes.c_void_p(_checked(_libbpf.bpf_object__find_program_by_name(self._object, name.encode()), name))

    def descriptor(self, name):
        return _checked(_libbpf.bpf_program__fd(self._program(name)), name)

    def attach(self, name):
        """By the section's own name (tracepoints)."""
        link = ctypes.c_void_p(_checked(_libbpf.bpf_program__attach(self._program(name)), name))
        self._undo.append(lambda: _libbpf.bpf_link__destroy(link))

    def attach_tcx(self, name, namespace, device, direction):
        ifindex = namespace.ifindex(device)
        with namespace.entered():
            link = _checked(
                _libbpf.bpf_link_create(self.descriptor(name), ifindex, TCX[direction], None), f"tcx on {device}"
            )
        self._undo.append(lambda: os.close(link))

    def attach_xdp(self, name, namespace, device):
        ifindex = namespace.ifindex(device)
        with namespace.entered():
            _checked(_libbpf.bpf_xdp_attach(ifindex, self.descriptor(name), XDP_GENERIC, None), f"xdp on {device}")

    def attach_cgroup(self, name, cgroup, kind):
        directory = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY)
        program = self.descriptor(name)
        _checked(_libbpf.bpf_prog_attach(program, directory, kind, ALLOW_MULTI), f"attach to {cgroup}")

        def undo():
            _libbpf.bpf_prog_detach2(program, directory, kind)
            os.close(directory)

        self._undo.append(undo)

    def _map(self, name):
        return _checked(_libbpf.bpf_object__find_map_fd_by_name(self._object, name.encode()), name)

    def array_value(self, name, layout):
        """The first element of an array map, unpacked."""
        key, value = ctypes.c_uint32(0), ctypes.create_string_buffer(struct.calcsize(layout))
        _checked(_libbpf.bpf_map_lookup_elem(self._map(name), ctypes.byref(key), value), name)
        return struct.unpack(layout, value.raw)

    def hash_items(self, name, key_layout, value_layout):
        descriptor = self._map(name)
        key = None
        following = ctypes.create_string_buffer(struct.calcsize(key_layout))
        value = ctypes.create_string_buffer(struct.calcsize(value_layout))
        items = {}
        while _libbpf.bpf_map_get_next_key(descriptor, key, following) == 0:
            key = ctypes.create_string_buffer(following.raw, len(following.raw))
            if _libbpf.bpf_map_lookup_elem(descriptor, key, value) == 0:
                items[struct.unpack(key_layout, key.raw)] = struct.unpack(value_layout, value.raw)
        return items

    def close(self):
        while self._undo:
            self._undo.pop()()
        _libbpf.bpf_object__close(self._object)


def tcx_programs(namespace, device, direction):
    """Ids of the programs in the tcx chain of a device; none on a kernel without tcx."""
    ids, count = (ctypes.c_uint32 * 64)(), ctypes.c_uint32(64)
    ifindex = namespace.ifindex(device)
    with namespace.entered():
        result = _libbpf.bpf_prog_query(ifindex, TCX[direction], 0, None, ids, ctypes.byref(count))
    return list(ids[: count.value]) if result == 0 else []


_EXISTENCE = {"prog_id": "bpf_prog_get_fd_by_id", "map_id": "bpf_map_get_fd_by_id", "link_id": "bpf_link_get_fd_by_id"}


def object_exists(kind, number):
    """Whether the program, map or link (prog_id, map_id, link_id) is still in the kernel."""
    descriptor = getattr(_libbpf, _EXISTENCE[kind])(number)
    if descriptor < 0:
        return False
    os.close(descriptor)
    return True


def objects_of(pid):
    """The programs, maps and links that a process holds open, as (kind, id)."""
    held = set()
    for name in os.listdir(f"/proc/{pid}/fdinfo"):
        try:
            with open(f"/proc/{pid}/fdinfo/{name}", encoding="ascii") as file:
                lines = file.read().splitlines()
        except FileNotFoundError:
            continue
        for line in lines:
            kind, _, number = line.partition(":")
            if kind in _EXISTENCE and number.strip().isdigit():
                held.add((kind, int(number)))
                break  # a link's description also names its program, which is a file of its own
    return held


def pins(root="/sys/fs/bpf"):
    """Every path below the mount of the BPF file system, the mount's own debug files apart."""
    found = set()
    for folder, folders, files in os.walk(root):
        found |= {os.path.join(folder, name) for name in folders + files}
    return {path for path in found if os.path.basename(path) not in ("maps.debug", "progs.debug")}
