"""Films: sent, looked at, asked for, fetched, taken away."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from served import Held, Served, cells_picture, encoded, ended, form, serving

from yolokit.inference.predictor import Predictor
from yolokit.serving.films import Films
from yolokit.serving.limits import Limits
from yolokit.serving.network import NetworkThread, Wanted
from yolokit.serving.refusal import RefusedError
from yolokit.video.video_file import VideoFile

FRAMES = 5


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Five frames of 192x128, a red cell that moves to the right."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    video = VideoFile(path, size_wh=(192, 128), fps=5)
    for column in range(FRAMES):
        video.write(np.kron(cells_picture((column, 1, "red")), np.ones((2, 2, 1), np.uint8)))
    video.close()
    return path.read_bytes()


def test_a_film_gives_records_and_a_video(served: Served, film: bytes, tmp_path: Path) -> None:
    sent = served.post("/v1/films?name=cells.mp4&conf=0.5", film)
    assert (sent.status, sent.json["name"]) == (202, "cells.mp4")
    number = sent.json["id"]
    done = ended(served, number).json
    assert (done["state"], done["frames"], done["total"]) == ("done", FRAMES, FRAMES)
    assert done["objects"] == {"red": FRAMES}
    records = served.get(f"/v1/films/{number}/detections").json
    assert [each["source"] for each in records] == ["cells.mp4"] * FRAMES
    lefts = [each["detections"][0]["box"][0] for each in records]
    assert lefts == [0, 32, 64, 96, 128]
    video = served.get(f"/v1/films/{number}/video")
    assert video.headers["content-type"] == "video/webm"
    (tmp_path / "out.webm").write_bytes(video.body)
    capture = cv2.VideoCapture(str(tmp_path / "out.webm"))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == FRAMES
    capture.release()
    part = served.get(f"/v1/films/{number}/video", Range="bytes=0-9")  # how browsers play
    assert (part.status, part.body) == (206, video.body[:10])


def test_a_film_in_a_form_keeps_its_name(served: Served, film: bytes) -> None:
    body, kind = form(film, "my film.mp4")
    sent = served.post("/v1/films?video=none", body, Content_Type=kind).json
    assert sent["name"] == "my film.mp4"
    assert ended(served, sent["id"]).json["detections"]
    answer = served.get(f"/v1/films/{sent['id']}/video")
    assert (answer.status, answer.kind) == (404, "film")


@pytest.mark.parametrize(
    "body",
    [
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",  # what FFmpeg would follow
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        encoded(cells_picture()),
        b"RIFF\0\0\0\0WAVE",
        b"text",
    ],
)
def test_what_is_no_film_is_never_opened(served: Served, body: bytes) -> None:
    answer = served.post("/v1/films", body)
    assert (answer.status, answer.kind) == (422, "film")


def test_a_film_that_is_cut_off(served: Served, film: bytes) -> None:
    done = ended(served, served.post("/v1/films?name=cut", film[:400]).json["id"]).json
    assert done["state"] == "failed"
    assert done["message"].startswith("cut cannot be opened")


def test_a_film_is_taken_away(served: Served, film: bytes) -> None:
    number = served.post("/v1/films", film).json["id"]
    ended(served, number)
    assert served.ask("DELETE", f"/v1/films/{number}").status == 200
    assert served.get(f"/v1/films/{number}").status == 404
    assert served.get("/v1/films/..%2F..%2Fetc").status == 404


def test_limits(predictor: Predictor, film: bytes) -> None:
    with serving(predictor, Limits(film_bytes=len(film) - 1)) as small:
        assert small.post("/v1/films", film).kind == "large"
    with serving(predictor, Limits(picture_pixels=192 * 128 - 1)) as small:
        done = ended(small, small.post("/v1/films", film).json["id"]).json
        assert done["message"].startswith("a frame of the film has 192x128 pixels, more than")
    with serving(predictor, Limits(film_frames=2)) as small:
        done = ended(small, small.post("/v1/films", film).json["id"]).json
        assert (done["state"], done["frames"]) == ("done", 2)
        assert done["message"] == "only the first 2 frames were looked at"


def test_no_more_films_than_are_taken(cells: Path, film: bytes) -> None:
    held = Held(Predictor.load(cells))
    network = NetworkThread(Predictor(held, Predictor.load(cells).card))
    films = Films(network, ["red", "green", "blue"], Limits(films=2))
    held.go.clear()
    sent = [films.place() for _ in range(3)]  # which costs no place
    for each in sent:
        each.file.write_bytes(film)
        each.video, each.wanted = None, Wanted(0.25, 0.5, 100, None)
    films.start(sent[0])
    films.start(sent[1])
    for late in (lambda: films.start(sent[2]), films.place):
        with pytest.raises(RefusedError, match="2 films are looked at already"):
            late()
    films.remove(sent[1])
    films.start(sent[2])
    folder = sent[1].folder.parent
    assert folder.is_dir() and not sent[1].folder.exists()
    held.go.set()
    films.close()
    assert not folder.exists()
    network.close()


def test_results_go_when_they_are_old_or_many(predictor: Predictor, film: bytes) -> None:
    now = [0.0]
    network = NetworkThread(predictor)
    films = Films(network, ["red", "green", "blue"], Limits(films=2), lambda: now[0])
    made = []
    for _ in range(3):
        each = films.place()
        each.file.write_bytes(b"ftyp")
        films._films[each.id] = each
        films._end(each, "done")
        now[0] += 1
        made.append(each)
    films.sweep()
    assert [each.folder.exists() for each in made] == [False, True, True]
    now[0] = 1801.5  # the second ended at 1, the third at 2
    with pytest.raises(RefusedError, match="no such film"):
        films.get(made[1].id)
    assert films.get(made[2].id) is made[2]
    films.close()
    network.close()


def test_stopping_ends_the_film_under_way(predictor: Predictor, film: bytes) -> None:
    with serving(predictor) as running:
        for _ in range(3):
            assert running.post("/v1/films", film * 1).status == 202
        folder = running.server.films._folder
        assert folder is not None and folder.is_dir()
    assert not folder.exists()


def test_json_of_a_film_is_json(served: Served, film: bytes) -> None:
    number = served.post("/v1/films?video=none&classes=blue", film).json["id"]
    assert ended(served, number).json["objects"] == {}
    json.loads(served.get(f"/v1/films/{number}/detections").body)
