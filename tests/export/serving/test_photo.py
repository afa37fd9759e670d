import io

import cv2
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from data_pipelines.images import decode_image
from export.serving.photo import read_photo

read = tf.function(read_photo, input_signature=[tf.TensorSpec((), tf.string)])


@pytest.fixture(scope="module")
def pixels():
    image = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    return cv2.resize(image, (43, 30), interpolation=cv2.INTER_CUBIC)


def encode(pixels, kind="JPEG", mode="RGB", orientation=None, order="<", **options):
    exif = Image.Exif()
    exif.endian = order
    exif[0x010F] = "Maker"
    if orientation is not None:
        exif[0x0112] = orientation
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, kind, exif=exif, **options)
    return file.getvalue()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", [None, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
def test_photos_are_turned_as_elsewhere(pixels, orientation, kind, order):
    data = encode(pixels, kind, orientation=orientation, order=order)
    found, expected = read(data).numpy(), decode_image(data)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.astype(int), expected, atol=2)


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        ("JPEG", "L", {}),
        ("JPEG", "RGB", {"progressive": True, "subsampling": 2}),
        ("JPEG", "CMYK", {}),
        ("PNG", "L", {}),
        ("PNG", "P", {}),
        ("PNG", "RGBA", {}),
        ("PNG", "1", {}),
    ],
)
def test_kinds_of_photos(pixels, kind, mode, options):
    data = encode(pixels, kind, mode, **options)
    difference = read(data).numpy().astype(int) - decode_image(data)
    assert np.abs(difference).max() <= 2


def test_sixteen_bits_become_eight(pixels):
    _, data = cv2.imencode(".png", pixels.astype(np.uint16) * 257)
    found = read(data.tobytes()).numpy()
    np.testing.assert_array_equal(found, pixels[..., ::-1])


def test_real_photos_are_read_as_elsewhere(shared_data):
    for path in sorted((shared_data / "coco" / "images").iterdir())[:10]:
        data = path.read_bytes()
        difference = read(data).numpy().astype(int) - decode_image(data)
        assert np.abs(difference).max() <= 1, path


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"\xff\xd8",
        lambda data: b"no photo at all, but longer than a header",
        lambda data: data[: len(data) // 2],
        lambda data: data[:20],
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_broken_files_fail(pixels, kind, damage):
    with pytest.raises(tf.errors.InvalidArgumentError):
        read(damage(encode(pixels, kind)))


def test_a_photo_that_would_take_all_memory_is_refused(pixels):
    data = bytearray(encode(pixels, "PNG"))
    data[16:24] = (30_000).to_bytes(4, "big") * 2
    with pytest.raises(tf.errors.InvalidArgumentError, match="number of pixels"):
        read(bytes(data))
    data = bytearray(encode(pixels))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = (60_000).to_bytes(2, "big") * 2
    with pytest.raises(tf.errors.InvalidArgumentError, match="number of pixels"):
        read(bytes(data))
