"""The heatmap codec: accuracy bounds, edges of the map, and the compiled forms."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tfpose.codecs.alignment import ALIGNMENTS
from tfpose.codecs.heatmap import DECODE_METHODS, HeatmapCodec
from tfpose.errors import InputError

CODEC = HeatmapCodec((128, 96))


def _random_keypoints(codec: HeatmapCodec, margin: float, count: int) -> np.ndarray:
    height, width = codec.input_size
    uniform = np.random.default_rng(3).uniform(size=(2, count, 2))
    span = np.array([width, height]) - 2 * margin
    return (margin - 0.5 + uniform * span).astype("float32")


def _round_trip(codec: HeatmapCodec, keypoints: np.ndarray, method: str) -> np.ndarray:
    heatmaps = codec.encode(keypoints, np.ones(keypoints.shape[:2]))
    return np.asarray(codec.decode(heatmaps, method)[0])


@pytest.mark.parametrize("alignment", ALIGNMENTS)
@pytest.mark.parametrize("sigma", [1.5, 2.0, 3.0])
@pytest.mark.parametrize(
    ("method", "worst", "mean"),
    [
        ("argmax", 2.07, 1.1),
        ("quarter", 1.04, 0.55),
        ("msra", 1.04, 0.55),
        ("dark", 0.03, 0.007),
        ("udp", 0.03, 0.007),
    ],
)
def test_error_of_each_method_inside_the_map(
    method: str, worst: float, mean: float, sigma: float, alignment: str
) -> None:
    codec = HeatmapCodec((128, 96), sigma=sigma, alignment=alignment)
    # Where their blur reaches over the border, published decoders err by more.
    margin = 44 if method == "udp" or alignment != "half_pixel" else 10
    keypoints = _random_keypoints(codec, margin, count=400)
    error = np.abs(_round_trip(codec, keypoints, method) - keypoints)
    assert error.max() < worst
    assert error.mean() < mean


@pytest.mark.parametrize("method", ["argmax", "quarter", "dark"])
def test_error_at_the_border_is_at_most_half_a_cell(method: str) -> None:
    keypoints = _random_keypoints(CODEC, margin=0, count=2000)
    error = np.abs(_round_trip(CODEC, keypoints, method) - keypoints)
    assert error.max() < 2.001


def test_peak_is_one_at_the_middle_of_the_pixels_of_a_cell() -> None:
    point = CODEC.to_pixels(np.array([[[5.0, 7.0]]]))
    np.testing.assert_array_equal(point, [[[21.5, 29.5]]])
    heatmaps = np.asarray(CODEC.encode(point, np.ones((1, 1))))
    assert heatmaps.shape == (1, 32, 24, 1) and heatmaps.dtype == np.float32
    assert heatmaps[0, 7, 5, 0] == 1.0
    assert (heatmaps == 1.0).sum() == 1
    np.testing.assert_allclose(heatmaps[0, 7, 7, 0], np.exp(-0.5), rtol=1e-6)
    np.testing.assert_allclose(heatmaps[0, 9, 7, 0], np.exp(-1.0), rtol=1e-6)


@given(st.floats(-300, 300), st.floats(-300, 300), st.sampled_from(ALIGNMENTS))
@settings(max_examples=30, deadline=None)
def test_cells_and_pixels_are_inverse(x: float, y: float, alignment: str) -> None:
    codec = HeatmapCodec((64, 64), alignment=alignment)
    point = np.array([x, y])
    np.testing.assert_allclose(codec.to_pixels(codec.to_cells(point)), point, atol=1e-9)


def test_absent_joints_have_empty_maps_even_when_nan() -> None:
    keypoints = np.array([[[20, 20], [np.nan, np.nan], [30, 30]]], "float32")
    weights = np.array([[0.5, 0.0, 0.0]])
    heatmaps = np.asarray(CODEC.encode(keypoints, weights))
    assert heatmaps[..., 0].max() > 0.9
    assert not heatmaps[..., 1:].any()
    decoded, scores = map(np.asarray, CODEC.decode(heatmaps, "dark"))
    np.testing.assert_array_equal(decoded[0, 1:], 0.0)
    np.testing.assert_array_equal(scores[0, 1:], 0.0)


@pytest.mark.parametrize("method", ["argmax", "quarter", "msra", "dark"])
def test_flat_negative_and_single_cell_maps_are_defined(method: str) -> None:
    heatmaps = np.zeros((1, 32, 24, 5), "float32")
    heatmaps[..., 0] = 0.7
    heatmaps[..., 1] = -0.3
    heatmaps[0, 0, 23, 2] = 1.0
    heatmaps[0, 16, 12, 3] = 1.0
    heatmaps[..., 4] = np.linspace(0, 1, 24)
    keypoints, scores = map(np.asarray, CODEC.decode(heatmaps, method))
    assert np.isfinite(keypoints).all()
    np.testing.assert_allclose(scores[0], [0.7, -0.3, 1, 1, 1], rtol=1e-6)
    np.testing.assert_array_equal(keypoints[0, 0], [1.5, 1.5])
    np.testing.assert_array_equal(keypoints[0, 1], [0, 0])
    np.testing.assert_allclose(keypoints[0, 2], [93.5, 1.5])
    np.testing.assert_allclose(keypoints[0, 3], [49.5, 65.5], atol=1e-3)
    np.testing.assert_allclose(keypoints[0, 4], [93.5, 1.5])


def test_dark_is_steadier_than_quarter_on_noisy_maps() -> None:
    keypoints = _random_keypoints(CODEC, margin=24, count=300)
    heatmaps = np.asarray(CODEC.encode(keypoints, np.ones(keypoints.shape[:2])))
    noise = np.random.default_rng(0).normal(scale=0.02, size=heatmaps.shape)
    heatmaps = 0.6 * heatmaps + noise.astype("float32")
    errors = {
        method: np.abs(np.asarray(CODEC.decode(heatmaps, method)[0]) - keypoints).mean()
        for method in DECODE_METHODS
    }
    assert 2 * errors["dark"] < errors["quarter"] < errors["argmax"]


def test_dark_agrees_with_the_published_procedure() -> None:
    """A plain NumPy and OpenCV transcription, peaks clear of the border."""
    cv2 = pytest.importorskip("cv2")
    keypoints = _random_keypoints(CODEC, margin=40, count=20)
    heatmaps = np.array(CODEC.encode(keypoints, np.ones(keypoints.shape[:2])))
    noise = np.random.default_rng(1).normal(scale=0.01, size=heatmaps.shape)
    heatmaps += noise.astype("float32")
    decoded = CODEC.to_cells(np.asarray(CODEC.decode(heatmaps, "dark")[0]))
    assert CODEC.blur_kernel_size == 11
    assert HeatmapCodec((128, 96), sigma=3).blur_kernel_size == 17
    for b, j in np.ndindex(2, 20):
        raw = heatmaps[b, :, :, j]
        y, x = np.unravel_index(raw.argmax(), raw.shape)
        padded = np.pad(raw, 5)
        smooth = cv2.GaussianBlur(padded, (11, 11), 0)[5:-5, 5:-5]
        log = np.log(np.maximum(smooth * raw.max() / smooth.max(), 1e-10))
        dx = 0.5 * (log[y, x + 1] - log[y, x - 1])
        dy = 0.5 * (log[y + 1, x] - log[y - 1, x])
        dxx = 0.25 * (log[y, x + 2] - 2 * log[y, x] + log[y, x - 2])
        dyy = 0.25 * (log[y + 2, x] - 2 * log[y, x] + log[y - 2, x])
        dxy = 0.25 * (
            log[y + 1, x + 1]
            - log[y - 1, x + 1]
            - log[y + 1, x - 1]
            + log[y - 1, x - 1]
        )
        step = -np.linalg.solve([[dxx, dxy], [dxy, dyy]], [dx, dy])
        np.testing.assert_allclose(decoded[b, j], [x, y] + step, atol=2e-3)


def test_inside_counts_whole_pixels_and_the_margin() -> None:
    keypoints = np.array([[[-0.5, 0], [95.5, 127.5], [96, 5], [-20, 5]]], "float32")
    np.testing.assert_array_equal(CODEC.inside(keypoints), [[1, 1, 0, 0]])
    np.testing.assert_array_equal(CODEC.inside(keypoints, margin=24), [[1, 1, 1, 1]])


@pytest.mark.parametrize(
    ("alignment", "method"), [("half_pixel", "dark"), ("tokenpose", "dark")]
)
def test_xla_gives_the_same_points(alignment: str, method: str) -> None:
    codec = HeatmapCodec(
        (128, 96), alignment=alignment, rounded=alignment != "half_pixel"
    )
    keypoints = _random_keypoints(codec, margin=10, count=9)

    @tf.function(jit_compile=True)
    def compiled(points: tf.Tensor) -> tf.Tensor:
        weights = tf.ones((2, 9)) * codec.reaches(points)
        return codec.decode(codec.encode(points, weights), method)[0]

    np.testing.assert_allclose(
        compiled(keypoints), _round_trip(codec, keypoints, method), atol=1e-3
    )


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
def test_decoding_converts_to_builtin_litert_operators() -> None:
    keypoints = _random_keypoints(CODEC, margin=10, count=9)[:1]
    heatmaps = np.asarray(CODEC.encode(keypoints, np.ones((1, 9))))
    methods = DECODE_METHODS

    @tf.function(input_signature=[tf.TensorSpec(heatmaps.shape, tf.float32)])
    def decode(maps: tf.Tensor) -> tf.Tensor:
        codecs = CODEC, HeatmapCodec((128, 96), alignment="official")
        return tf.stack(
            [codec.decode(maps, method)[0] for codec in codecs for method in methods]
        )

    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [decode.get_concrete_function()], decode
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    interpreter = tf.lite.Interpreter(model_content=converter.convert())
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], heatmaps)
    interpreter.invoke()
    result = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_allclose(result, decode(heatmaps), atol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_size": (130, 96)}, "multiples of the stride 4"),
        ({"input_size": (0, 96)}, "positive"),
        ({"input_size": (64, 64), "sigma": 0.0}, "above 0"),
        ({"input_size": (64, 64), "stride": 0}, "at least 1"),
        ({"input_size": (64, 64), "alignment": "biased"}, "'biased', expected one of"),
        ({"input_size": (64, 4), "alignment": "udp"}, "at least 2 cells"),
        ({"input_size": (64, 64), "blur_kernel": 10}, "odd"),
    ],
)
def test_impossible_codecs_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        HeatmapCodec(**arguments)


def test_wrong_method_or_map_size_is_refused() -> None:
    with pytest.raises(InputError, match="'Dark', expected one of"):
        CODEC.decode(np.zeros((1, 32, 24, 2)), "Dark")
    with pytest.raises(InputError, match=r"expected \[B, 32, 24, J\]"):
        CODEC.decode(np.zeros((1, 24, 32, 2)))
