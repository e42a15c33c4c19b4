"""Letters for labels: Pillow's own font for ASCII, this machine's fonts for the rest of the world.

Pillow's font knows little beyond ASCII and draws a crossed box for all else. A letter that no font
of this machine has is written in Latin letters.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from anyascii import anyascii
from PIL import ImageFont

Font = ImageFont.ImageFont | ImageFont.FreeTypeFont
Run = tuple[str, Font]

_NO_CHARACTER = "\uffff"  # of no font: what a letter looks like that is not there
_PROBE_PX = 20
_MOST_FILES = 2000  # looked into for a letter
_PREFERRED = (  # plain, legible, common; the first that has a letter is taken
    "dejavusans", "notosans-regular", "liberationsans-regular", "arial", "segoeui", "helvetica",
    "notosanscjk-regular", "sourcehansans", "pingfang", "hiragino", "msyh", "yugoth", "malgun",
    "applesdgothicneo", "wqy", "droidsansfallback", "arialunicode", "notosans",
)  # fmt: skip
_STYLED = ("bold", "italic", "oblique", "mono", "serif", "condensed", "light", "thin", "black")
_PLACEHOLDERS = ("lastresort", "adobeblank")  # have a picture for every letter, which is none


def write_with(text: str, size_px: int) -> list[Run]:
    """A text in parts, each with a font that has its letters.

    Args:
        text: any; characters that cannot be drawn at all are left out.
        size_px: height of the font, pixels.

    Returns:
        Parts that follow each other on one base line; [] for an empty text.
    """
    runs: list[Run] = []
    last: Path | None = None
    for character in text:
        path = _font_of(character)
        part = character if path is not None or _is_plain(character) else _spelled(character)
        if runs and path == last:
            runs[-1] = (runs[-1][0] + part, runs[-1][1])
        elif part:
            runs.append((part, _load(path, size_px)))
            last = path
    return runs


def letters_without_font(texts: Iterable[str]) -> str:
    """The characters of the texts that are written in Latin letters, each once, in order."""
    characters = dict.fromkeys(character for text in texts for character in text)
    lacking = (each for each in characters if _font_of(each) is None)
    return "".join(each for each in lacking if each.isprintable() and not _is_plain(each))


def font_note(texts: Iterable[str]) -> str | None:
    """A sentence for the user where labels cannot be drawn as they are; None where they can."""
    lacking = letters_without_font(texts)
    if not lacking:
        return None
    shown = lacking[:20] + ("..." if len(lacking) > 20 else "")
    return (
        f"no font of this machine has the letters {shown}: labels on pictures spell them in Latin "
        "letters. Install a font that has them (Debian, Ubuntu: fonts-noto, fonts-noto-cjk)"
    )


def _spelled(character: str) -> str:
    """In Latin letters; nothing for what nobody can see."""
    return "".join(filter(_is_plain, anyascii(character)))


def _is_plain(character: str) -> bool:
    """In Pillow's own font."""
    return " " <= character <= "~"


@lru_cache(maxsize=4096)
def _font_of(character: str) -> Path | None:
    """The file of a font that has a character; None for Pillow's own, or where there is none."""
    if _is_plain(character) or not character.isprintable():
        return None
    return next((path for path in font_files() if _has(path, character)), None)


@lru_cache(maxsize=1)
def font_files() -> tuple[Path, ...]:
    """This machine's font files, those that suit labels best first."""
    found = {
        path
        for folder in _folders()
        for pattern in ("*.ttf", "*.otf", "*.ttc", "*.TTF", "*.OTF", "*.TTC")
        for path in folder.rglob(pattern)
        if not any(word in path.name.lower() for word in _PLACEHOLDERS)
    }
    return tuple(sorted(found, key=_rank)[:_MOST_FILES])


def _rank(path: Path) -> tuple[int, int, str]:
    name = path.stem.lower().replace(" ", "")
    places = [place for place, each in enumerate(_PREFERRED) if name.startswith(each)]
    styles = sum(style in name for style in _STYLED)
    return styles, min(places, default=len(_PREFERRED)), str(path)


def _folders() -> Iterator[Path]:
    if sys.platform == "win32":
        yield Path(os.environ.get("WINDIR", "C:/Windows")) / "Fonts"
        yield Path(os.environ.get("LOCALAPPDATA", "")) / "Microsoft" / "Windows" / "Fonts"
    elif sys.platform == "darwin":
        yield from (Path("/System/Library/Fonts"), Path("/Library/Fonts"))
        yield Path.home() / "Library" / "Fonts"
    else:
        yield from (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"))
        yield from (Path.home() / ".local" / "share" / "fonts", Path.home() / ".fonts")


def _has(path: Path, character: str) -> bool:
    """Whether a font draws a character as anything but the sign for a letter that it lacks."""
    missing = _missing_letter(path)
    return missing is not None and _drawn(_load(path, _PROBE_PX), character) != missing


@lru_cache(maxsize=_MOST_FILES)
def _missing_letter(path: Path) -> bytes | None:
    """What a font draws for a letter that it lacks; None for a file that cannot be used."""
    try:
        return _drawn(_load(path, _PROBE_PX), _NO_CHARACTER)
    except (OSError, ValueError):  # damaged, or an emoji font of one fixed size
        return None


def _drawn(font: Font, character: str) -> bytes:
    mask = font.getmask(character)
    return f"{mask.size} ".encode() + bytes(mask)


@lru_cache(maxsize=256)
def _load(path: Path | None, size_px: int) -> Font:
    if path is None:
        return ImageFont.load_default(size=size_px)
    return ImageFont.truetype(path, size_px)
