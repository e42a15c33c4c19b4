"""The processes that train one model together, and what they must agree on."""

from __future__ import annotations

import torch
import torch.distributed as dist


def rank_of() -> tuple[int, int]:
    """This process's rank, and how many processes there are."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def from_first_rank(value: float) -> float:
    """The first rank's value on every rank, to the last bit. All ranks must ask together."""
    if rank_of()[1] == 1:
        return value
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    shared = torch.tensor(value, dtype=torch.float64, device=device)
    dist.broadcast(shared, src=0)
    return float(shared)
