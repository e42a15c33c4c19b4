"""Letters of any script: drawn by a font that has them, else spelled in Latin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from yolokit import drawing, fonts
from yolokit.drawing import draw_tagged

WORLD = "éüñçøß" + "кВ" + "方" + "한" + "ع"


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Nothing that was found on another machine is remembered."""
    _forget()
    yield
    _forget()


def _forget() -> None:
    for kept in (fonts._font_of, fonts.font_files, fonts._missing_letter, drawing._tag):
        kept.cache_clear()


@pytest.fixture
def no_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "_folders", lambda: iter(()))


def tag(text: str) -> np.ndarray:
    canvas = np.full((200, 400, 3), 128, np.uint8)
    return draw_tagged(
        canvas, np.array([[50, 80, 350, 180]], np.float32), [text], [(255, 255, 255)]
    )


@pytest.mark.parametrize("letter", WORLD)
def test_every_part_of_a_label_has_a_font_with_its_letters(letter: str) -> None:
    for part, font in fonts.write_with(f"a {letter} 0.50", 20):
        missing = fonts._drawn(font, "\uffff")
        assert [each for each in part if each != " " and fonts._drawn(font, each) == missing] == []


def test_ascii_is_drawn_by_pillows_own_font_alone() -> None:
    assert fonts.write_with("plate 0.87", 17) == [("plate 0.87", fonts._load(None, 17))]
    assert fonts.write_with("", 17) == []


@pytest.mark.usefixtures("no_fonts")
@pytest.mark.parametrize(
    ("name", "spelled"),
    [("Größe", "Grosse"), ("café", "cafe"), ("кошка", "koshka"), ("汽车", "QiChe"), ("한", "Han")],
)
def test_without_any_font_letters_are_spelled_in_latin(name: str, spelled: str) -> None:
    assert fonts.write_with(name, 20) == [(spelled, fonts._load(None, 20))]
    np.testing.assert_array_equal(tag(name), tag(spelled))


@pytest.mark.usefixtures("no_fonts")
def test_a_note_names_the_letters_once() -> None:
    assert fonts.letters_without_font(["Größe", "größer", "cat"]) == "öß"
    note = fonts.font_note(["汽车", "cat"])
    assert note is not None and "the letters 汽车:" in note and "fonts-noto-cjk" in note
    assert fonts.font_note(["cat", "dog 0.5"]) is None


@pytest.mark.skipif(not fonts.font_files(), reason="a machine without fonts")
def test_a_font_of_this_machine_is_used_for_letters_that_pillows_lacks() -> None:
    (first, plain), (second, other), (third, plain_again) = fonts.write_with("caféx", 20)
    assert (first, second, third) == ("caf", "é", "x")
    assert plain is plain_again is not other
    assert not np.array_equal(tag("café"), tag("cafe"))
    assert fonts.font_note(["café"]) is None


def test_no_letter_looks_like_a_missing_one() -> None:
    """Pillow's own font has ASCII only: its crossed box is what every other letter once was."""
    crossed = fonts._load(None, 20)
    boxes = [(each, fonts._drawn(crossed, each)) for each in WORLD]
    assert len({shape for _, shape in boxes}) == 1
    for letter, shape in boxes:
        drawn = [
            fonts._drawn(font, each) for part, font in fonts.write_with(letter, 20) for each in part
        ]
        assert shape not in drawn


def test_a_file_that_is_no_font_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dejavusans.ttf").write_bytes(b"not a font")
    (tmp_path / "LastResort.otf").touch()
    monkeypatch.setattr(fonts, "_folders", lambda: iter((tmp_path, tmp_path / "not there")))
    assert [path.name for path in fonts.font_files()] == ["dejavusans.ttf"]
    assert fonts.letters_without_font("é") == "é"


@pytest.mark.parametrize("text", ["a\nb", "a\0b", "a\u200db", "a\ud800b", "a\U000e0001b", "a\tb"])
def test_what_cannot_be_drawn_is_left_out(text: str) -> None:
    assert "".join(part for part, _ in fonts.write_with(text, 20)).replace(" ", "") == "ab"
    assert tag(text).shape == (200, 400, 3)
