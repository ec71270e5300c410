"""Any photo becomes upright RGB."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from src.data.class_folders import IMAGE_SUFFIXES
from src.data.decode import FORMATS, read_image, read_images
from src.data.listing import UnreadableImageError

RED = (250, 10, 10)


def _save(path: Path, mode: str) -> None:
    rgb = Image.new("RGB", (20, 20), RED)
    if mode == "RGBA":
        layer = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
        layer.paste((*RED, 255), (0, 0, 10, 20))
        layer.save(path)
    elif mode == "I;16":
        Image.fromarray(np.full((20, 20), 200 * 256, np.uint16)).save(path)
    elif mode == "P":
        rgb.quantize().save(path)
    else:
        rgb.convert(mode).save(path)


@pytest.mark.parametrize(
    ("mode", "suffix", "left", "right"),
    [
        ("RGB", "png", RED, RED),
        ("P", "png", RED, RED),
        ("CMYK", "tif", RED, RED),
        ("L", "png", (82, 82, 82), (82, 82, 82)),
        ("1", "png", None, None),
        ("I;16", "png", (200, 200, 200), (200, 200, 200)),
        ("RGBA", "png", RED, (255, 255, 255)),
    ],
)
def test_modes_become_rgb(tmp_path: Path, mode: str, suffix: str, left: tuple[int, ...] | None, right: object) -> None:
    path = tmp_path / f"photo.{suffix}"
    _save(path, mode)
    image = read_image(path, 20, "stretch")
    assert (image.shape, image.dtype) == ((20, 20, 3), np.uint8)
    if left is not None:
        np.testing.assert_allclose(image[10, 2], left, atol=3)
        np.testing.assert_allclose(image[10, 17], right, atol=3)


@pytest.mark.parametrize(("orientation", "corner"), [(1, (0, 0)), (3, (1, 1)), (6, (0, 1)), (8, (1, 0))])
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int, corner: tuple[int, int]) -> None:
    pixels = np.zeros((40, 40, 3), np.uint8)
    pixels[:20, :20] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(tmp_path / "photo.jpg", exif=exif, quality=95)
    image = read_image(tmp_path / "photo.jpg", 40, "stretch")
    bright = {(r, c) for r in (0, 1) for c in (0, 1) if image[10 + 20 * r, 10 + 20 * c].mean() > 128}
    assert bright == {corner}


@pytest.mark.parametrize(
    ("resize", "left", "middle"),
    [("stretch", 250, 128), ("crop", 128, 128), ("pad", 250, 128)],
)
def test_squaring_keeps_crops_or_pads(tmp_path: Path, resize: str, left: int, middle: int) -> None:
    pixels = np.full((20, 60, 3), 128, np.uint8)
    pixels[:, :15] = 250
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    image = read_image(tmp_path / "wide.png", 32, resize)  # type: ignore[arg-type]
    assert image.shape == (32, 32, 3)
    assert image[16, 2, 0] == left
    assert image[16, 16, 0] == middle


def test_floating_point_pixels_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((9, 9), 0.5, np.float32)).save(tmp_path / "photo.tif")
    with pytest.raises(UnreadableImageError, match="no agreed range"):
        read_image(tmp_path / "photo.tif", 9, "stretch")


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n rubbish", b"GIF89a"])
def test_what_is_no_image_says_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "photo.jpg").write_bytes(content)
    with pytest.raises(UnreadableImageError):
        read_image(tmp_path / "photo.jpg", 32, "stretch")


def test_a_truncated_photo_is_never_half_read(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "whole.jpg")
    (tmp_path / "half.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:2000])
    with pytest.raises(UnreadableImageError):
        read_image(tmp_path / "half.jpg", 32, "stretch")


def test_bytes_are_read_in_the_formats_of_the_suffixes_that_are_listed() -> None:
    by_suffix = Image.registered_extensions()
    assert {by_suffix[suffix] for suffix in IMAGE_SUFFIXES} == set(FORMATS)


@pytest.mark.parametrize("kind", ["AVIF", "BMP", "GIF", "HEIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP"])
def test_content_is_read_as_its_file_is(tmp_path: Path, kind: str) -> None:
    _save(tmp_path / "red.png", "RGB")
    with Image.open(tmp_path / "red.png") as photo:
        photo.save(tmp_path / "photo", kind)
    found = read_image((tmp_path / "photo").read_bytes(), 12, "crop")
    np.testing.assert_array_equal(found, read_image(tmp_path / "photo", 12, "crop"))
    np.testing.assert_allclose(found[6, 6], RED, atol=12)


def test_several_squares_are_those_that_are_read_one_by_one(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (30, 50, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "photo.png")
    found = read_images(tmp_path / "photo.png", [(16, "stretch"), (24, "crop")])
    np.testing.assert_array_equal(found[0], read_image(tmp_path / "photo.png", 16, "stretch"))
    np.testing.assert_array_equal(found[1], read_image(tmp_path / "photo.png", 24, "crop"))
