"""What a process may use, from control groups laid out as Docker, Podman and SLURM do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from yolokit.machine import (
    bf16_pays,
    compute_threads,
    shared_out,
    thread_limit,
    usable_cpus,
    usable_memory,
)

GIB = 2**30
PHYSICAL = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
UNLIMITED_V1 = "9223372036854771712"  # what cgroup v1 states where there is no limit


def lay_out(root: Path, cgroup: str, files: dict[str, str]) -> Path:
    """``cgroup`` as /proc/self/cgroup, ``files`` below /sys/fs/cgroup."""
    for path, text in {"proc/self/cgroup": cgroup, **files}.items():
        place = root / (path if path.startswith("proc") else f"sys/fs/cgroup/{path}")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text + "\n")
    return root


@pytest.mark.parametrize(
    ("cgroup", "files", "limit"),
    [
        ("0::/", {"memory.max": str(GIB // 2)}, GIB // 2),
        ("0::/", {"memory.max": "max"}, PHYSICAL),
        # nested: the tightest of all above holds
        ("0::/a/b", {"a/b/memory.max": "max", "a/memory.max": str(GIB // 4)}, GIB // 4),
        ("0::/a/b", {"a/b/memory.max": str(GIB // 8), "a/memory.max": str(GIB)}, GIB // 8),
        ("9:memory:/j", {"memory/j/memory.limit_in_bytes": str(GIB // 2)}, GIB // 2),
        ("9:memory:/j", {"memory/memory.limit_in_bytes": UNLIMITED_V1}, PHYSICAL),
        # Docker with v1: /proc names the group as the host sees it, the mount shows it as the root
        ("4:memory:/docker/f00", {"memory/memory.limit_in_bytes": str(GIB // 2)}, GIB // 2),
        ("9:memory:/\n0::/", {"memory/memory.limit_in_bytes": str(GIB // 2)}, GIB // 2),
        ("0::/", {"memory.max": str(2**60)}, PHYSICAL),
        ("", {}, PHYSICAL),
        ("nonsense", {"memory.max": "junk"}, PHYSICAL),
    ],
)
def test_memory_is_the_control_groups(
    tmp_path: Path, cgroup: str, files: dict[str, str], limit: int
) -> None:
    assert usable_memory(lay_out(tmp_path, cgroup, files)) == limit


@pytest.mark.parametrize(
    ("cgroup", "files", "cpus"),
    [
        ("0::/", {"cpu.max": "200000 100000"}, 2),
        ("0::/", {"cpu.max": "150000 100000"}, 2),
        ("0::/", {"cpu.max": "10000 100000"}, 1),
        ("0::/", {"cpu.max": "max 100000"}, 16),
        ("0::/a/b", {"a/b/cpu.max": "max 100000", "a/cpu.max": "300000 100000"}, 3),
        (
            "3:cpu,cpuacct:/",
            {"cpu,cpuacct/cpu.cfs_quota_us": "400000", "cpu,cpuacct/cpu.cfs_period_us": "100000"},
            4,
        ),
        ("1:cpu:/x", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 16),
        ("0::/", {"cpu.max": "6400000 100000"}, 16),
        ("", {}, 16),
    ],
)
def test_processors_are_the_control_groups(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cgroup: str,
    files: dict[str, str],
    cpus: int,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    assert usable_cpus(lay_out(tmp_path, cgroup, files)) == cpus


def test_torch_is_held_to_a_quota_and_to_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    held = lay_out(tmp_path / "held", "0::/", {"cpu.max": "200000 100000"})
    free = lay_out(tmp_path / "free", "0::/", {"cpu.max": "max 100000"})
    assert thread_limit({}, held) == {"OMP_NUM_THREADS": "2"}
    assert thread_limit({"OMP_NUM_THREADS": "5"}, held) == {}
    assert thread_limit({}, free) == {}


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux only")
def test_a_process_bound_to_one_processor_has_one() -> None:
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from yolokit.machine import usable_cpus; print(usable_cpus())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"


def lay_out_cores(root: Path, siblings: dict[int, str]) -> Path:
    for number, text in siblings.items():
        place = root / f"sys/devices/system/cpu/cpu{number}/topology/thread_siblings_list"
        place.parent.mkdir(parents=True)
        place.write_text(text + "\n")
    return root


@pytest.mark.parametrize(
    ("environment", "siblings", "quota", "threads"),
    [
        ({}, {}, "max 100000", 4),  # nothing known of cores: each processor is one
        ({}, {0: "0-1", 1: "0-1", 2: "2-3", 3: "2-3"}, "max 100000", 2),
        ({}, {0: "0,4", 1: "1,5", 2: "2,6", 3: "3,7"}, "max 100000", 4),
        ({}, {0: "0,4", 1: "1,5", 2: "2,6", 3: "3,7"}, "150000 100000", 2),
        ({}, {0: "0-1", 1: "0-1", 2: "2-3", 3: "2-3"}, "100000 100000", 1),
        ({"OMP_NUM_THREADS": "3"}, {0: "0-3", 1: "0-3", 2: "0-3", 3: "0-3"}, "max 100000", 3),
        ({"OMP_NUM_THREADS": "3,2"}, {}, "max 100000", 3),
        ({"OMP_NUM_THREADS": "0"}, {}, "max 100000", 4),
        ({"OMP_NUM_THREADS": "many"}, {}, "max 100000", 4),
        ({"OMP_NUM_THREADS": "99999999999"}, {}, "max 100000", 4),
    ],
)
def test_a_network_gets_a_thread_a_core(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    siblings: dict[int, str],
    quota: str,
    threads: int,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(4)), raising=False)
    root = lay_out_cores(lay_out(tmp_path, "0::/", {"cpu.max": quota}), siblings)
    assert compute_threads(environment, root) == threads


@pytest.mark.parametrize(
    ("threads", "shares"),
    [
        (1, [1]),
        (2, [1, 1]),
        (4, [1, 1, 1, 1]),
        (6, [2, 2, 1, 1]),
        (16, [4, 4, 4, 4]),
    ],
)
def test_networks_side_by_side_share_all_threads(threads: int, shares: list[int]) -> None:
    assert shared_out(threads) == shares


@pytest.mark.parametrize(
    ("vendor", "flags", "pays"),
    [
        ("GenuineIntel", "fma avx512_bf16 amx_bf16 amx_tile", True),
        ("GenuineIntel", "fma avx512_bf16 avx512_fp16", False),
        ("GenuineIntel", "fma avx2", False),
        ("AuthenticAMD", "fma avx512_bf16", True),
    ],
)
def test_bf16_pays_on_intel_with_amx_only(
    tmp_path: Path, vendor: str, flags: str, pays: bool
) -> None:
    (tmp_path / "proc").mkdir()
    processor = f"processor : 0\nvendor_id : {vendor}\nflags : {flags}\n"
    (tmp_path / "proc/cpuinfo").write_text(processor + "\n" + processor)
    assert bf16_pays(tmp_path) == pays


def test_where_nothing_is_told_bf16_is_the_librarys_choice(tmp_path: Path) -> None:
    assert bf16_pays(tmp_path)
