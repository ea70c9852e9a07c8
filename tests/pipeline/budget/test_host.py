import multiprocessing
import resource
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.budget import host

GIB = 1 << 30
MEMINFO = "MemTotal:       16777216 kB\nMemFree:         1000000 kB\nMemAvailable:    8388608 kB\n"


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text, encoding="utf-8")


def test_without_limits_the_system_tells(tmp_path: Path) -> None:
    write(tmp_path, "proc/meminfo", MEMINFO)
    assert host.total(tmp_path) == 16 * GIB
    assert host.tightest(tmp_path) == host.Room(16 * GIB, 8 * GIB, "the system")


def test_a_group_of_version_2_limits_and_what_it_could_give_back_counts_as_free(tmp_path: Path) -> None:
    write(tmp_path, "proc/meminfo", MEMINFO)
    write(tmp_path, "proc/self/cgroup", "0::/house/passfel\n")
    write(tmp_path, "sys/fs/cgroup/house/memory.max", f"{4 * GIB}\n")
    write(tmp_path, "sys/fs/cgroup/house/memory.current", f"{3 * GIB}\n")
    write(
        tmp_path,
        "sys/fs/cgroup/house/memory.stat",
        f"anon {2 * GIB}\nactive_file {GIB // 2}\ninactive_file {GIB // 2}\n",
    )
    write(tmp_path, "sys/fs/cgroup/house/passfel/memory.max", "max\n")
    assert host.total(tmp_path) == 4 * GIB
    assert host.tightest(tmp_path) == host.Room(4 * GIB, 2 * GIB, "the control group")


def test_a_group_of_version_1_limits_too_and_its_huge_number_is_none(tmp_path: Path) -> None:
    write(tmp_path, "proc/meminfo", MEMINFO)
    write(tmp_path, "proc/self/cgroup", "5:cpu:/\n4:memory:/docker/abc\n0::/\n")
    write(tmp_path, "sys/fs/cgroup/memory/memory.limit_in_bytes", f"{2**63 - 4096}\n")
    assert host.total(tmp_path) == 16 * GIB
    write(tmp_path, "sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", f"{2 * GIB}\n")
    write(tmp_path, "sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes", f"{GIB}\n")
    assert host.tightest(tmp_path) == host.Room(2 * GIB, GIB, "the control group")


def test_a_container_that_sees_its_own_group_as_the_root_is_limited(tmp_path: Path) -> None:
    write(tmp_path, "proc/meminfo", MEMINFO)
    write(tmp_path, "proc/self/cgroup", "0::/\n")
    write(tmp_path, "sys/fs/cgroup/memory.max", f"{GIB}\n")
    write(tmp_path, "sys/fs/cgroup/memory.current", f"{2 * GIB}\n")
    assert host.tightest(tmp_path) == host.Room(GIB, 0, "the control group")


@settings(deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_strange_files_never_do_more_than_leave_a_limit_out(
    tmp_path_factory: pytest.TempPathFactory, meminfo: str, limit: str
) -> None:
    root = tmp_path_factory.mktemp("root")
    write(root, "proc/meminfo", meminfo)
    write(root, "proc/self/cgroup", "0::/\n")
    write(root, "sys/fs/cgroup/memory.max", limit)
    assert host.total(root) >= 0


def _limited(most: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    room = host.tightest()
    assert room.of == "ulimit -v"
    assert room.limit == most
    assert 0 < room.free < most


def test_a_processes_own_limit_counts() -> None:
    process = multiprocessing.get_context("spawn").Process(target=_limited, args=(8 * GIB,))
    process.start()
    process.join(60)
    assert process.exitcode == 0


def test_here_no_more_is_free_than_there_is() -> None:
    room = host.tightest()
    assert 0 < room.free <= room.limit
