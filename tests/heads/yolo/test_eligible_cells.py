"""Which cells may answer for a box: by hand, and against a slow loop."""

import torch
from torch import Tensor

from yolokit.heads.yolo.codec import Cells
from yolokit.heads.yolo.eligible_cells import eligible_cells


def levels(side: int, strides: tuple[int, ...]) -> Cells:
    centres, owners = [], []
    for stride in strides:
        line = (torch.arange(side // stride) + 0.5) * stride
        y, x = torch.meshgrid(line, line, indexing="ij")
        centres.append(torch.stack((x, y), -1).view(-1, 2))
        owners.append(torch.full((x.numel(),), float(stride)))
    return Cells(torch.cat(centres), torch.cat(owners))


def chosen(box: list[float], cells: Cells) -> list[int]:
    return eligible_cells(torch.tensor([box]), cells)[0].nonzero()[:, 0].tolist()


def test_by_hand() -> None:
    cells = levels(32, (8, 16))  # 4 x 4 cells, centres 4, 12, 20, 28; then 2 x 2, centres 8, 24
    assert chosen([0.0, 0, 13, 13], cells) == [0, 1, 4, 5, 16]
    assert chosen([12.0, 12, 21, 21], cells) == [10]  # a centre on the edge is not inside
    assert chosen([5.0, 5, 7, 7], cells) == [0, 16]  # no centre: the nearest of each level
    assert chosen([30.0, 1, 30, 1], cells) == [3, 17]  # no area at all


def test_agrees_with_a_loop() -> None:
    cells = levels(64, (8, 16, 32))
    generator = torch.Generator().manual_seed(0)
    corners = torch.rand(3, 40, 2, 2, generator=generator) * 64
    sizes = torch.rand(3, 40, 1, generator=generator) ** 4  # many of them tiny
    low = corners[..., 0, :]
    boxes = torch.cat((low, low + (corners[..., 1, :] - low).abs() * sizes), -1)
    result = eligible_cells(boxes, cells)
    assert result.shape == (3, 40, len(cells.strides))
    for image in range(3):
        for row in range(40):
            assert result[image, row].nonzero()[:, 0].tolist() == loop(boxes[image, row], cells)


def loop(box: Tensor, cells: Cells) -> list[int]:
    x1, y1, x2, y2 = box.tolist()
    places = list(enumerate(cells.centres.tolist()))
    inside = [n for n, (x, y) in places if x1 < x < x2 and y1 < y < y2]
    if inside:
        return inside
    middle = ((x1 + x2) / 2, (y1 + y2) / 2)
    for stride in sorted(set(cells.strides.tolist())):
        level = [(n, c) for n, c in places if cells.strides[n] == stride]
        inside.append(min(level, key=lambda item: _gap(item[1], middle))[0])
    return sorted(inside)


def _gap(a: list[float], b: tuple[float, float]) -> float:
    return (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2
