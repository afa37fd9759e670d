"""Real files and made ones: what decodes, how, and what is refused in one line."""

import io
import struct
import threading

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from data_pipelines.images import FileImages, decode_image, image_size
from tfpose.errors import InputError


def _scene(height=97, width=131) -> np.ndarray:
    """A smooth picture without symmetry, so that every rotation shows."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (height, width, 3)).astype(np.uint8)
    smooth = cv2.GaussianBlur(noise, (0, 0), 6).astype(float)
    return np.clip((smooth - 127) * 8 + 127, 0, 255).astype(np.uint8)


def _encode(mode="RGB", kind="JPEG", orientation=1, image=None, **options) -> bytes:
    picture = Image.fromarray(_scene() if image is None else image).convert(mode)
    if orientation != 1:
        exif = Image.Exif()
        exif[0x0112] = orientation
        options["exif"] = exif
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def _pillow(data: bytes) -> np.ndarray:
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    return np.array(image.convert("RGB"))


def _difference(a, b) -> float:
    assert a.shape == b.shape
    return float(np.abs(a.astype(int) - b.astype(int)).mean())


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"progressive": True},
        {"mode": "L"},
        {"mode": "CMYK"},
        {"kind": "PNG"},
        {"kind": "PNG", "mode": "RGBA"},
        {"kind": "PNG", "mode": "LA"},
        {"kind": "PNG", "mode": "P"},
        {"kind": "PNG", "mode": "1"},
        {"kind": "WEBP", "lossless": True},
        {"kind": "BMP"},
    ],
    ids=str,
)
def test_decodes_as_pillow_does(options):
    data = _encode(**options)
    image = decode_image(data)
    assert image.dtype == np.uint8 and image.flags.c_contiguous
    assert _difference(image, _pillow(data)) < 1.5
    assert image_size(data) == image.shape[:2]


def test_cmyk_without_adobe_marker_is_taken_for_inverted_as_pillow_does():
    data = _encode("CMYK")
    start = data.index(b"\xff\xee")
    length = struct.unpack(">H", data[start + 2 : start + 4])[0]
    plain = data[:start] + data[start + 2 + length :]
    assert _difference(decode_image(plain), _pillow(plain)) < 1.5


def test_sixteen_bit_png_keeps_its_high_byte():
    expected = _scene()
    wide = expected[:, :, ::-1].astype(np.uint16) * 257
    data = cv2.imencode(".png", wide)[1].tobytes()
    np.testing.assert_array_equal(decode_image(data), expected)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation(kind, orientation):
    data = _encode(kind=kind, orientation=orientation)
    upright = decode_image(data)
    assert _difference(upright, _pillow(data)) < 1.0
    assert image_size(data) == upright.shape[:2]


@pytest.mark.parametrize("orientation", [6, 8])
def test_exif_rotation_follows_the_declared_size(orientation):
    data = _encode(orientation=orientation)
    assert decode_image(data, (131, 97)).shape == (131, 97, 3)
    stored = decode_image(data, (97, 131))
    np.testing.assert_array_equal(stored, decode_image(_encode()))
    with pytest.raises(InputError, match="a.jpg: the image is 97 x 131 px.* 50 x 40"):
        decode_image(data, (40, 50), "a.jpg")


def test_size_of_other_formats_is_checked_too():
    data = _encode(kind="WEBP", lossless=True)
    assert decode_image(data, (97, 131)).shape == (97, 131, 3)
    with pytest.raises(InputError, match="its record says 97 x 131 px"):
        decode_image(data, (131, 97))


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_cut_anywhere_is_refused(kind):
    """A thumbnail inside the header has an end marker of its own: not the end."""
    data = _encode(kind=kind)
    if kind == "JPEG":
        thumbnail = b"Exif\0\0" + _encode(image=_scene(20, 30))
        segment = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
        data = data[:2] + segment + data[2:]
        assert decode_image(data).shape == (97, 131, 3)
    for length in [*range(2, len(data) - 1, 97), len(data) - 2, len(data) - 1]:
        with pytest.raises(InputError, match="photo: "):
            decode_image(data[:length], name="photo")


def test_bytes_after_the_end_are_no_fault():
    data = _encode()
    expected = decode_image(data)
    for tail in (b"\0" * 100, b"\xff\xd8MPF second picture", b"\n"):
        np.testing.assert_array_equal(decode_image(data + tail), expected)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "x.jpg: empty file"),
        (b"<html>404</html>" * 20, "x.jpg: not an image"),
        (b"\xff\xd8" + b"\0" * 50, "x.jpg: truncated JPEG"),
        (b"\xff\xd8\xff\xd9", "x.jpg: not a JPEG image"),
    ],
)
def test_what_is_no_image_is_named(data, message):
    with pytest.raises(InputError, match=message) as caught:
        decode_image(data, name="x.jpg")
    assert "\n" not in str(caught.value)


def test_damaged_png_is_refused():
    data = bytearray(_encode(kind="PNG"))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(InputError, match="corrupt"):
        decode_image(bytes(data))


@pytest.mark.parametrize("reduce", [2, 4, 8])
@pytest.mark.parametrize(
    "options",
    [{}, {"kind": "PNG"}, {"orientation": 6}, {"mode": "L"}, {"mode": "CMYK"}],
    ids=str,
)
def test_reduced_pixels_are_means_of_blocks_from_the_corner(reduce, options):
    """This is the documented mapping full = (k + 0.5) * reduce - 0.5."""
    data = _encode(quality=95, subsampling=0, **options)
    full = decode_image(data)
    height, width = full.shape[:2]
    small = decode_image(data, reduce=reduce)
    rows, columns = -(-height // reduce), -(-width // reduce)
    assert small.shape == (rows, columns, 3)
    inner = full[: height // reduce * reduce, : width // reduce * reduce].astype(float)
    blocks = inner.reshape(height // reduce, reduce, width // reduce, reduce, 3)
    inside = small[: height // reduce, : width // reduce]
    assert np.abs(inside - blocks.mean(axis=(1, 3))).mean() < 1.0


def test_unknown_reduction_is_a_fault_of_the_caller():
    with pytest.raises(ValueError, match="reduce must be one of"):
        decode_image(_encode(), reduce=3)


def test_file_images_name_what_is_missing(tmp_path):
    (tmp_path / "a.png").write_bytes(_encode(kind="PNG"))
    store = FileImages([tmp_path / "a.png", tmp_path / "gone.png", tmp_path])
    assert len(store) == 3
    assert decode_image(store.read(0)).shape == (97, 131, 3)
    for row in (1, 2):
        with pytest.raises(InputError, match="image not readable"):
            store.read(row)
    assert store.describe(1).endswith("gone.png")


def test_threads_decode_the_same(shared_data):
    paths = sorted((shared_data / "coco" / "images").iterdir())[:8]
    store = FileImages(paths)
    expected = [decode_image(store.read(i)) for i in range(len(store))]
    wrong = []

    def work(rows):
        for row in rows:
            if not np.array_equal(decode_image(store.read(row)), expected[row]):
                wrong.append(row)

    threads = [
        threading.Thread(target=work, args=(rows,))
        for rows in (range(8), range(7, -1, -1))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_real_photos_agree_with_pillow(shared_data):
    folders = ["coco/images", "formats/mpii", "formats/ochuman"]
    paths = [p for f in folders for p in sorted((shared_data / f).glob("*.jpg"))[:5]]
    assert len(paths) >= 10
    for path in paths:
        data = path.read_bytes()
        assert _difference(decode_image(data), _pillow(data)) < 1.5, path


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("kind", [1, 3, 4])
def test_orientations_of_any_kind_of_integer(order, kind):
    mark = {"little": b"II", "big": b"MM"}[order]
    size = {1: 1, 3: 2, 4: 4}[kind]

    def number(value, size):
        return value.to_bytes(size, order)

    tiff = mark + number(42, 2) + number(8, 4) + number(1, 2)
    tiff += number(0x0112, 2) + number(kind, 2) + number(1, 4)
    tiff += number(6, size).ljust(4, b"\0") + number(0, 4)
    plain = _encode()
    segment = b"Exif\0\0" + tiff
    length = (len(segment) + 2).to_bytes(2, "big")
    data = plain[:2] + b"\xff\xe1" + length + segment + plain[2:]
    assert np.array_equal(decode_image(data), _pillow(data))
    assert image_size(data) == ((97, 131) if kind == 1 else (131, 97))


def test_a_real_photo_with_a_long_orientation(shared_data):
    data = (shared_data / "cases" / "images" / "exif_MM_long.jpg").read_bytes()
    assert image_size(data) == (94, 192)
    assert _difference(decode_image(data), _pillow(data)) < 2


@pytest.mark.parametrize("name", ["u16_12bit.tif", "gray12in16.png"])
def test_12_bits_in_16_are_not_black(shared_data, caplog, name):
    data = (shared_data / "cases" / "images" / name).read_bytes()
    stored = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    expected = (stored / 16).astype(np.uint8)
    if stored.ndim == 3:
        expected = expected[..., ::-1]
    else:
        expected = np.repeat(expected[..., None], 3, axis=2)
    assert np.array_equal(decode_image(data, name=name), expected)
    assert f"{name}: its samples of 16 bits use 12" in caplog.text


@pytest.mark.parametrize("kind", [".png", ".tif"])
@pytest.mark.parametrize(("bits", "top"), [(10, 1000), (12, 4000), (16, 60000)])
def test_bits_that_samples_use(kind, bits, top):
    stored = (_scene() * (top / 255)).astype(np.uint16)
    stored[0, 0] = top
    _, data = cv2.imencode(kind, stored)
    found = decode_image(data.tobytes())
    assert np.array_equal(found[..., ::-1], stored >> (bits - 8))


def test_floats_are_from_0_to_1_or_refused(shared_data):
    data = (shared_data / "cases" / "images" / "float01.tif").read_bytes()
    stored = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    found = decode_image(data)
    np.testing.assert_allclose(found[..., ::-1], stored * 255, atol=0.51)
    _, data = cv2.imencode(".tif", stored * 300)
    with pytest.raises(InputError, match="hot.tif: samples are float32 up to 228"):
        decode_image(data.tobytes(), name="hot.tif")


def test_photos_of_phones_that_are_not_read_are_called_so():
    data = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)
    with pytest.raises(InputError, match="a.heic: heic is not read; expected JPEG"):
        decode_image(data, name="a.heic")
