"""Every kind of file becomes the same upright 8-bit RGB pixels, or a clear error."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from yolokit.data.images import (
    PictureFacts,
    decode_image,
    picture_count,
    picture_format,
    read_image,
    stored_facts,
    verify_image,
)
from yolokit.data.orientation import parse_orientation
from yolokit.errors import ImageError

SCENE = np.zeros((4, 6, 3), dtype=np.uint8)  # asymmetric: every one of the 8 turns differs
SCENE[0, :2] = (255, 0, 0)
SCENE[1, 0] = (0, 255, 0)
SCENE[3, 5] = (0, 0, 255)

# How a camera stores SCENE for each EXIF orientation (the inverse of what a viewer must do),
# written with NumPy alone. https://exiftool.org/TagNames/EXIF.html, tag 0x0112.
STORED = {
    1: SCENE,
    2: SCENE[:, ::-1],
    3: SCENE[::-1, ::-1],
    4: SCENE[::-1],
    5: SCENE.transpose(1, 0, 2),
    6: np.rot90(SCENE, 1),  # to be turned clockwise
    7: SCENE[::-1, ::-1].transpose(1, 0, 2),
    8: np.rot90(SCENE, -1),
}


def encode(image: Image.Image, file_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_turned_upright(
    orientation: int, file_format: str, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation]))
    options = {"lossless": True} if file_format == "WEBP" else {}
    path = tmp_path / "picture"
    path.write_bytes(encode(stored, file_format, exif=exif, **options))

    np.testing.assert_array_equal(read_image(path), SCENE)
    facts = verify_image(path)
    assert isinstance(facts, PictureFacts)
    assert facts.upright_hw == (4, 6)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_jpeg_orientation_agrees_with_opencv(orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    noise = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)
    path = tmp_path / "picture.jpg"
    path.write_bytes(encode(Image.fromarray(noise), "JPEG", exif=exif, quality=95))

    upright = read_image(path)

    oracle = cv2.imread(str(path), cv2.IMREAD_COLOR)[:, :, ::-1]  # another reader of the tag
    np.testing.assert_array_equal(upright, oracle)
    assert verify_image(path) == PictureFacts(upright.shape[:2], orientation >= 5)


def tagged(tag: int, kind: int, count: int, value: int, extra: bytes = b"") -> bytes:
    """An EXIF block that says "turn right" (6), with one other tag after or before it."""
    entries = {0x0112: struct.pack("<HHII", 0x0112, 3, 1, 6)}
    entries[tag] = struct.pack("<HHII", tag, kind, count, value)
    body = b"".join(entries[each] for each in sorted(entries))
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(entries)) + body + bytes(4) + extra


ODD = [
    (kind, count, value, extra)
    for kind in range(14)  # TIFF's types, with 0 and 13, which are none
    for count, value, extra in [
        (1, 38, struct.pack("<ii", -1, 0)),  # -1/0, as some cameras write a resolution
        (1, 0xFFFFFFF0, b""),  # beyond the end
        (0xFFFFFFFF, 38, b""),
        (0, 0, b""),
        (3, 38, b"\xff\xfe\xfd" * 9),
    ]
]


@pytest.mark.parametrize("tag", [0x010F, 0x011A, 0x0131, 0x0201, 0x02BC, 0x8769, 0x8825, 0x9286])
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
def test_no_other_exif_tag_refuses_or_turns_a_picture(
    tag: int, file_format: str, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    """560 odd values a format; Pillow alone refuses hundreds of them."""
    path = tmp_path / "picture"
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8))
    options: dict[str, Any] = {"lossless": True} if file_format == "WEBP" else {}
    plain = np.rot90(decode_image(encode(image, file_format, **options)), -1)
    for kind, count, value, extra in ODD:
        data = encode(image, file_format, exif=tagged(tag, kind, count, value, extra), **options)
        path.write_bytes(data)
        np.testing.assert_array_equal(decode_image(data), plain)
        assert verify_image(path) == PictureFacts((24, 16), True)
    assert [str(each.message) for each in recwarn] == []


@pytest.mark.parametrize(
    "exif",
    [
        b"", b"Exif\0\0", b"II", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff\x01",
        tagged(0x0112, 3, 1, 9), tagged(0x0112, 2, 1, 6), tagged(0x0112, 3, 1, 0),
    ],
)  # fmt: skip
def test_an_orientation_that_cannot_be_read_is_upright(exif: bytes) -> None:
    assert parse_orientation(exif) == 1


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [1, 3, 4])
def test_orientation_is_read_in_any_byte_order_and_width(order: str, kind: int) -> None:
    value = struct.pack(order + {1: "B", 3: "H", 4: "L"}[kind], 8).ljust(4, b"\0")
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HIH", 42, 8, 1)
    assert parse_orientation(head + struct.pack(order + "HHI", 0x0112, kind, 1) + value) == 8


def test_a_picture_beyond_pillows_limit_is_read_without_a_warning(
    tmp_path: Path, recwarn: pytest.WarningsRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pillow's limit lowered instead of the picture enlarged: it warns above it, fails at twice."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    for file_format in ("PNG", "JPEG", "TIFF", "WEBP", "MPO"):
        path = tmp_path / f"large.{file_format}"
        path.write_bytes(encode(Image.new("RGB", (60, 50), (9, 9, 9)), file_format))
        assert read_image(path).shape == (50, 60, 3)
        assert verify_image(path) == PictureFacts((50, 60), False)
    assert Image.MAX_IMAGE_PIXELS == 1000  # and is left as it was
    assert len(recwarn) == 0


def test_a_picture_beyond_our_own_limit_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    data = bytearray(encode(Image.new("L", (1, 1)), "PNG"))
    data[16:24] = struct.pack(">II", 30000, 20000)  # 600 megapixels, in the header
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    path = tmp_path / "bomb.png"
    path.write_bytes(data)
    with pytest.raises(ImageError, match=r"bomb\.png has 30000x20000 pixels, .* Cut it into parts"):
        read_image(path)
    assert "more than the 537 million" in str(verify_image(path))


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(500)


def test_heic_is_named_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "IMG_1.HEIC"
    path.write_bytes(HEIC)
    with pytest.raises(ImageError, match=r"IMG_1\.HEIC is a HEIC picture.*Convert it to JPEG"):
        read_image(path)
    assert "Convert it to JPEG" in str(verify_image(path))
    assert picture_format(path) == "HEIC"


def test_kind_and_count_are_read_from_the_content(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), (level, 0, 0)) for level in (0, 90, 200)]
    more = {"save_all": True, "append_images": frames[1:]}
    for file_format, options, count in (
        ("JPEG", {}, 1), ("PNG", {}, 1), ("PNG", more, 3), ("WEBP", more, 3), ("TIFF", more, 3),
        ("GIF", more, 3), ("MPO", more, 1),  # a phone's second view or preview
    ):  # fmt: skip
        path = tmp_path / "file"
        path.write_bytes(encode(frames[0], file_format, **options))
        assert (picture_format(path), picture_count(path)) == (file_format, count)
    path.write_bytes(b"text")
    assert (picture_format(path), picture_count(path)) == (None, 1)


def test_the_size_is_told_by_the_header_in_the_formats_that_are_read() -> None:
    turned = Image.new("RGB", (30, 20))
    exif = turned.getexif()
    exif[0x0112] = 6  # a quarter turn
    data = encode(turned, "JPEG", exif=exif)
    assert stored_facts(data) == stored_facts(data[:-5], ("JPEG",)) == ((20, 30), 6)
    assert stored_facts(data, ("PNG",)) == stored_facts(b"text") == ((0, 0), 1)
    with pytest.raises(ImageError, match="not a picture in a known format"):
        decode_image(data, formats=("PNG",))
    assert decode_image(data, formats=("PNG", "JPEG")).shape == (30, 20, 3)


def test_16_bit_grey_keeps_the_high_byte() -> None:
    samples = np.array([[0, 255, 256, 0x1234, 0xFFFF]], dtype=np.uint16)
    decoded = decode_image(encode(Image.fromarray(samples), "PNG"))
    # by hand: 0>>8=0, 255>>8=0, 256>>8=1, 0x1234>>8=0x12=18, 0xFFFF>>8=255
    np.testing.assert_array_equal(decoded[0, :, 0], [0, 0, 1, 18, 255])
    assert (decoded == decoded[:, :, :1]).all()


def test_16_bit_colour_keeps_the_high_byte() -> None:
    samples = np.array([[[0x0100, 0x80FF, 0xFFFF]]], dtype=np.uint16)  # RGB
    done, data = cv2.imencode(".png", samples[:, :, ::-1])
    assert done
    np.testing.assert_array_equal(decode_image(data.tobytes()), [[[1, 128, 255]]])


def test_grey_is_repeated() -> None:
    decoded = decode_image(encode(Image.fromarray(SCENE[:, :, 0]), "PNG"))
    np.testing.assert_array_equal(decoded, SCENE[:, :, :1].repeat(3, axis=2))


def test_one_bit_becomes_black_and_white() -> None:
    decoded = decode_image(encode(Image.fromarray(SCENE[:, :, 0] > 0), "PNG"))
    np.testing.assert_array_equal(decoded, SCENE[:, :, :1].repeat(3, axis=2))


@pytest.mark.parametrize("alpha", [0, 100, 255])
def test_alpha_is_dropped_and_the_stored_colours_kept(alpha: int) -> None:
    veil = np.full((*SCENE.shape[:2], 1), alpha, dtype=np.uint8)
    colour = Image.fromarray(np.concatenate([SCENE, veil], axis=2))
    np.testing.assert_array_equal(decode_image(encode(colour, "PNG")), SCENE)
    grey = Image.fromarray(np.concatenate([SCENE[:, :, :1], veil], axis=2))
    np.testing.assert_array_equal(
        decode_image(encode(grey, "PNG")), SCENE[:, :, :1].repeat(3, axis=2)
    )


@pytest.mark.parametrize("transparency", [None, 1, bytes([0, 128, 255, 255])])
def test_palette_is_looked_up_with_and_without_transparency(
    transparency: int | bytes | None,
) -> None:
    palette = Image.fromarray(SCENE).quantize(4)
    options = {} if transparency is None else {"transparency": transparency}
    decoded = decode_image(encode(palette, "PNG", **options))
    np.testing.assert_array_equal(decoded, SCENE)


def test_cmyk_jpeg_becomes_rgb() -> None:
    cmyk = np.zeros((16, 16, 4), dtype=np.uint8)
    cmyk[:, :, 0] = 255  # full cyan ink takes all red: RGB 0, 255, 255
    decoded = decode_image(encode(Image.fromarray(cmyk, "CMYK"), "JPEG", quality=100))
    assert decoded.shape == (16, 16, 3)
    np.testing.assert_allclose(decoded.reshape(-1, 3).mean(axis=0), [0, 255, 255], atol=2)


def test_result_is_writable_contiguous_and_8_bit() -> None:
    decoded = decode_image(encode(Image.fromarray(SCENE), "PNG"))
    assert decoded.dtype == np.uint8
    assert decoded.flags.c_contiguous
    assert decoded.flags.writeable


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "BMP"])
@pytest.mark.parametrize("kept", [0.3, 0.7, 0.95])
def test_truncated_files_are_refused(file_format: str, kept: float, tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encode(Image.fromarray(noise), file_format)
    path = tmp_path / "cut"
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(ImageError, match="cut"):
        read_image(path)
    assert isinstance(verify_image(path), str)


def test_missing_foreign_and_empty_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"no picture at .*gone\.jpg"):
        read_image(tmp_path / "gone.jpg")
    assert verify_image(tmp_path / "gone.jpg") == "missing"
    for name, data in [("text.jpg", b"hello"), ("empty.jpg", b"")]:
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(ImageError, match=f"{name}: not a picture"):
            read_image(path)
        assert verify_image(path) == "not a picture in a known format"
    with pytest.raises(ImageError, match="cannot read picture"):
        read_image(tmp_path)  # a folder


def test_floating_point_samples_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "depth.tiff"
    path.write_bytes(encode(Image.fromarray(np.ones((4, 4), dtype=np.float32)), "TIFF"))
    with pytest.raises(ImageError, match="floating-point"):
        read_image(path)
    assert "floating-point" in str(verify_image(path))


def test_verify_never_disagrees_with_read_on_damaged_jpegs(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    noise = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = np.frombuffer(encode(Image.fromarray(noise), "JPEG"), dtype=np.uint8)
    path = tmp_path / "hit.jpg"
    refused = 0
    for _ in range(200):
        hit = data.copy()
        at = rng.integers(0, len(hit), 3)
        hit[at] = rng.integers(0, 256, 3)
        path.write_bytes(hit.tobytes())
        try:
            read_image(path)
            readable = True
        except ImageError:
            readable = False
            refused += 1
        assert readable == isinstance(verify_image(path), PictureFacts)
    assert refused  # else this compared nothing
