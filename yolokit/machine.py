"""What this process may use of the machine: memory and processors, containers' limits included.

A container sees the whole machine's memory and processors; what it may use stands in its control
group (cgroup), https://docs.kernel.org/admin-guide/cgroup-v2.html. A group is bound by its parents'
limits too.
"""

from __future__ import annotations

import ctypes
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

_ROOT = Path("/")  # tests lay out another
_MOUNT = "sys/fs/cgroup"
_SIBLINGS = "sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
_MOST_THREADS = 1024  # a larger number is a slip of the pen
_MOST_NETWORKS = 4  # side by side
_MALLOC_THRESHOLDS = (-1, -3)  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of malloc.h
_KEPT_BYTES = 2**31 - 1  # the most that mallopt's int holds


def usable_memory(root: Path = _ROOT) -> int | None:
    """Bytes of memory that this process may fill: the machine's, or its control group's limit.

    Args:
        root: the folder that holds ``proc`` and ``sys``.

    Returns:
        None where the system does not tell.
    """
    limits = [
        int(text)
        for name in ("memory.max", "memory.limit_in_bytes")
        for folder in _groups("memory", root)
        if (text := _read(folder / name)).isdecimal()  # "max": no limit
    ]
    physical = _physical_memory()
    return min([*limits, *([] if physical is None else [physical])], default=None)


def usable_cpus(root: Path = _ROOT) -> int:
    """How many threads can compute at once: processors of this process, or its group's quota.

    Args:
        root: the folder that holds ``proc`` and ``sys``.

    Returns:
        At least 1; a quota of 1.5 processors counts as 2.
    """
    quotas = [quota for folder in _groups("cpu", root) for quota in _quotas(folder)]
    return max(1, math.ceil(min([*quotas, _own_cpus()])))


def compute_threads(environment: Mapping[str, str], root: Path = _ROOT) -> int:
    """How many threads a network is best computed with: one a core, within ``usable_cpus``.

    Two threads that share a core's arithmetic units wait for each other.

    Args:
        environment: of the process; a number in ``OMP_NUM_THREADS`` is kept.
        root: the folder that holds ``proc`` and ``sys``.
    """
    given = environment.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if given.isdecimal() and 0 < int(given) <= _MOST_THREADS:
        return int(given)
    return min(usable_cpus(root), _own_cores(root))


def shared_out(threads: int) -> list[int]:
    """How threads are best shared out among networks that compute different pictures.

    Threads that compute one picture wait for each other after every layer; those of another
    network do not. Each network keeps Python busy between its layers, so that there are few.

    Args:
        threads: at least 1.

    Returns:
        The threads of each network.
    """
    count = min(_MOST_NETWORKS, threads)
    return [threads // count + (number < threads % count) for number in range(count)]


def bf16_pays(root: Path = _ROOT) -> bool:
    """Whether networks are computed faster in bf16 than in 32 bits, as far as is known.

    Intel's AVX512-BF16 instructions alone made one of ours 1.8 times slower (a Xeon whose AMX is
    hidden from its guests, OpenVINO 2026.4: 25.0 for 14.0 ms), and a step of training 1.25 times
    (PyTorch 2.15); with AMX they are not what is used.

    Args:
        root: the folder that holds ``proc``.

    Returns:
        False for an Intel processor without AMX; True for any other, which may not do bf16 at all.
    """
    facts = _read(root / "proc/cpuinfo").partition("\n\n")[0]  # of the first processor
    return "GenuineIntel" not in facts or "amx_bf16" in facts.split()


def thread_limit(environment: Mapping[str, str], root: Path = _ROOT) -> dict[str, str]:
    """What to add to the environment before torch is loaded, for it knows nothing of quotas.

    Args:
        environment: of the process; a number of threads that is given there is kept.
        root: the folder that holds ``proc`` and ``sys``.

    Returns:
        ``OMP_NUM_THREADS`` where a quota leaves fewer processors than there are, else nothing.
    """
    usable = usable_cpus(root)
    if "OMP_NUM_THREADS" in environment or usable >= _own_cpus():
        return {}
    return {"OMP_NUM_THREADS": str(usable)}


def keep_freed_memory(environment: Mapping[str, str]) -> bool:
    """Have glibc keep what this process frees for what it allocates next.

    By itself it gives blocks of 32 MB and more back to the system at once, and is given others,
    zeroed page by page. Elsewhere than on glibc nothing is changed.

    Args:
        environment: of the process; whoever set up glibc's allocator there is left alone.

    Returns:
        Whether it will.
    """
    libc: Any = ctypes.CDLL(None) if sys.platform == "linux" else None
    chosen = {"GLIBC_TUNABLES", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"} & {*environment}
    if chosen or not hasattr(libc, "gnu_get_libc_version"):
        return False
    return all(libc.mallopt(option, _KEPT_BYTES) == 1 for option in _MALLOC_THRESHOLDS)


def _own_cpus() -> int:
    """How many processors the scheduler may put this process on."""
    return len(_own_numbers())


def _own_cores(root: Path) -> int:
    """The cores that the processors of this process are threads of."""
    return len({_read(root / _SIBLINGS.format(each)) or str(each) for each in _own_numbers()})


def _own_numbers() -> set[int]:
    """Which processors these are, as the system numbers them; at least one."""
    affinity: Callable[[int], set[int]] | None = getattr(os, "sched_getaffinity", None)
    return affinity(0) if affinity else set(range(os.cpu_count() or 1))


def _physical_memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _quotas(folder: Path) -> Iterator[float]:
    """Processors that a group may keep busy: ``QUOTA PERIOD`` in one file, or in two (v1)."""
    words = _read(folder / "cpu.max").split() or [
        _read(folder / "cpu.cfs_quota_us"),
        _read(folder / "cpu.cfs_period_us"),
    ]
    if len(words) == 2 and all(word.isdecimal() and int(word) for word in words):  # -1, max: none
        yield int(words[0]) / int(words[1])


def _groups(controller: str, root: Path) -> Iterator[Path]:
    """The folders of this process's control group and of all above it, versions 2 and 1.

    A container may see its own group as the root while ``/proc`` still names it by its path
    outside: folders that are not there have nothing to say.
    """
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if controllers == "":
            mounts = ["", "unified"]
        elif controller in controllers.split(","):
            mounts = [controllers, controller]
        else:
            continue
        parts = [part for part in path.split("/") if part not in ("", "..")]
        for mount in dict.fromkeys(mounts):
            for depth in range(len(parts) + 1):
                yield (root / _MOUNT / mount).joinpath(*parts[:depth])


def _read(path: Path) -> str:
    """A small file's text; empty where there is none."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
