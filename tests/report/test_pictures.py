"""Which pictures a report shows, and what is drawn on them."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from yolokit.data.coco import CocoDataset
from yolokit.data.locate import choose_split
from yolokit.evaluation.verdicts import JudgedBox, JudgedPicture, Verdict
from yolokit.report.pictures import VERDICT_COLOURS, best_first, exhibits, worst_first
from yolokit.synthesis.dataset import synthesise

BOX = (10.0, 10.0, 50.0, 30.0)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> CocoDataset:
    """Fifteen pictures of 96 x 64 px or the other way round."""
    folder = tmp_path_factory.mktemp("pictures") / "set"
    synthesise(folder, images=(1, 15, 1), size_hw=(64, 96), classes=2, seed=8, video=False)
    return CocoDataset.load(choose_split(folder, "val"))


def picture(dataset: CocoDataset, index: int, truths: str, detections: str) -> JudgedPicture:
    """A picture with one box per verdict, each given by its first letter."""
    verdict: dict[str, Verdict] = {"f": "found", "m": "missed", "w": "false", "i": "ignored"}
    category = dataset.category_ids[0]
    return JudgedPicture(
        int(dataset.image_ids[index]),
        [JudgedBox(BOX, category, None, verdict[each]) for each in truths],
        [JudgedBox(BOX, category, 0.5, verdict[each]) for each in detections],
    )


def pixels(uri: str) -> np.ndarray:
    head, _, data = uri.partition(",")
    assert head == "data:image/jpeg;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))), dtype=int)


def test_most_mistakes_first_or_fewest_then_the_fullest(dataset: CocoDataset) -> None:
    judged = [
        picture(dataset, 0, "f", "f"),
        picture(dataset, 1, "", ""),
        picture(dataset, 2, "fm", "fw"),
        picture(dataset, 3, "mf", "f"),
        picture(dataset, 4, "fff", "fff"),
        picture(dataset, 5, "", "www"),
        picture(dataset, 6, "i", "i"),
    ]
    assert [each.image_id for each in worst_first(judged)] == [
        int(dataset.image_ids[index]) for index in (5, 2, 3, 4, 0, 6)
    ]
    assert [each.image_id for each in best_first(judged)] == [
        int(dataset.image_ids[index]) for index in (4, 0, 3, 2)
    ]
    shown = exhibits(dataset, judged, most=2, most_bytes=10**6)
    assert [each.file_name for each in shown] == [str(dataset.file_names[i]) for i in (0, 1)]


def test_the_wrong_box_lies_on_top_in_its_own_colour(dataset: CocoDataset) -> None:
    (shown,) = exhibits(dataset, [picture(dataset, 0, "fm", "fw")], most=1, most_bytes=10**6)
    height, width = dataset.sizes_hw[0].tolist()
    for uri, verdict in ((shown.truth_uri, "missed"), (shown.detections_uri, "false")):
        image = pixels(uri)
        scale = 480 / max(height, width)
        assert image.shape[:2] == (round(height * scale), round(width * scale))
        left, middle = round(BOX[0] * scale), round(20 * scale)
        edge = image[middle - 5 : middle + 5, left].mean(axis=0)
        others = {name: np.abs(edge - colour).sum() for name, colour in VERDICT_COLOURS.items()}
        assert min(others, key=others.__getitem__) == verdict  # JPEG blurs, but not that much


def test_they_are_few_and_small(dataset: CocoDataset) -> None:
    judged = [picture(dataset, index, "m", "") for index in range(15)]
    shown = exhibits(dataset, judged, most=12, most_bytes=10**7)
    assert len(shown) == 12
    sizes = [len(each.truth_uri) + len(each.detections_uri) for each in shown]
    assert exhibits(dataset, judged, most=12, most_bytes=sum(sizes[:3])) == shown[:3]
