"""Real photos and a real film, whole and mutilated: answered or refused, never a failure."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from served import Served, ended, serving

from yolokit.data.images import read_image
from yolokit.inference.predictor import Predictor
from yolokit.serving.limits import Limits

PHOTOS = ("aquarium", "raccoon")


def photos(real_root: Path, count: int) -> list[Path]:
    """Of each set's test split."""
    return [
        path
        for name in PHOTOS
        for path in sorted((real_root / "data" / name / "test").glob("*.jpg"))[:count]
    ]


def test_photos_are_answered_as_the_model_finds_them(
    served: Served, predictor: Predictor, real_root: Path
) -> None:
    files = photos(real_root, 2)
    assert len(files) == 4
    for file in files:
        answer = served.post("/v1/detect", file.read_bytes()).json
        (alone,) = predictor.predict_images([read_image(file)])
        assert [each["label"] for each in answer["detections"]] == alone.labels.tolist()
        scores = [each["score"] for each in answer["detections"]]
        np.testing.assert_allclose(scores, alone.scores, atol=1e-6)


def test_mutilated_photos_are_answered_or_refused(served: Served, real_root: Path) -> None:
    rng = np.random.default_rng(0)
    kinds: Counter[int] = Counter()
    for file in photos(real_root, 1):
        whole = np.frombuffer(file.read_bytes(), dtype=np.uint8)
        for _ in range(20):
            spoilt = whole[: rng.integers(1, len(whole))].copy()
            places = rng.integers(0, min(len(spoilt), 2000), 5)  # of the headers
            spoilt[places] = rng.integers(0, 256, 5)
            answer = served.post("/v1/detect", spoilt.tobytes())
            kinds[answer.status] += 1
            if answer.status != 200:
                assert answer.json["error"]["message"]
    assert set(kinds) <= {200, 413, 422}
    assert served.get("/ready").status == 200


@pytest.mark.slow
def test_a_film_that_is_cut_anywhere_ends(predictor: Predictor, real_root: Path) -> None:
    film = (real_root / "video" / "car-detection.mp4").read_bytes()
    with serving(predictor, Limits(film_frames=5)) as running:
        for share in (1.0, 0.9, 0.5, 0.01):
            cut = film[: int(len(film) * share)]
            sent = running.post("/v1/films?video=none&name=cars", cut)
            done = ended(running, sent.json["id"]).json
            assert done["state"] in ("done", "failed"), done
            if share == 1.0:
                assert (done["state"], done["frames"]) == ("done", 5)
