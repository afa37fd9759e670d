"""Colour augmentation does what its parameters say, and nothing else."""

import numpy as np
import pytest

from data_pipelines.colour import ColourAugmentation


def _apply(image, **changes):
    names = ("brightness", "contrast", "saturation", "hue", "gray", "sigma", "solarise")
    row = np.array([changes.get(name, 0) for name in names], np.float32)
    return ColourAugmentation.apply(image, row)


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(60, 160, (24, 32, 3), dtype=np.uint8)


def test_zero_changes_nothing(image):
    assert (_apply(image) == image).all()


def test_what_is_given_is_not_changed(image):
    before = image.copy()
    _apply(image, brightness=0.3, gray=1, sigma=1, solarise=1)
    assert (image == before).all()


def test_brightness_is_a_factor(image):
    expected = np.clip(image * 1.25, 0, 255)
    assert np.abs(_apply(image, brightness=0.25) - expected).max() < 0.6


def test_contrast_keeps_the_mean_luminance(image):
    luma = np.array([0.299, 0.587, 0.114])
    changed = _apply(image, contrast=0.4)
    assert (changed @ luma).mean() == pytest.approx((image @ luma).mean(), abs=0.2)
    assert changed.std() == pytest.approx(1.4 * image.std(), rel=0.02)


def test_saturation_of_minus_one_and_grayscale_are_gray(image):
    for changed in (_apply(image, saturation=-1), _apply(image, gray=1)):
        assert (changed == changed[..., :1]).all()
        luma = image @ np.array([0.299, 0.587, 0.114])
        assert np.abs(changed[..., 0] - luma).max() < 0.6
    changed = _apply(image, gray=1, hue=0.1, saturation=0.2, contrast=0.3)
    assert (changed == changed[..., :1]).all()


def test_hue_turns_the_colour_circle(image):
    luma = np.array([0.299, 0.587, 0.114])
    calm = (image // 4 + 100).astype(np.uint8)
    turned = _apply(calm, hue=0.25)
    assert np.abs(turned @ luma - calm @ luma).max() <= 1
    assert np.abs(_apply(turned, hue=-0.25).astype(int) - calm).max() <= 2
    red = np.full((2, 2, 3), 90, np.uint8)
    red[..., 0] = 150
    # A third of a turn of the circle takes red to where another primary rules.
    assert _apply(red, hue=1 / 3)[0, 0].argmax() != 0


def test_solarisation_inverts_from_128():
    image = np.array([[[0, 127, 128], [200, 255, 5]]], np.uint8)
    assert _apply(image, solarise=1).tolist() == [[[0, 127, 127], [55, 0, 5]]]


def test_blur_scales_with_the_image():
    def spread(side):
        image = np.zeros((side, side, 3), np.uint8)
        image[:, side // 2 :] = 255
        return (np.diff(_apply(image, sigma=2)[0, :, 0].astype(int)) > 0).sum() / side

    assert spread(448) == pytest.approx(spread(224), rel=0.25)
    small = np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    assert (_apply(small, sigma=0.1) == small).all()


def test_shares_of_the_draws():
    count, colour = 40_000, ColourAugmentation()
    drawn = colour.draw(np.random.default_rng(0), count)
    jittered = drawn[:, :4].any(axis=1)
    assert jittered.mean() == pytest.approx(0.8, abs=0.01)
    assert drawn[:, 4].mean() == pytest.approx(0.2, abs=0.01)
    assert (drawn[:, 5] > 0).mean() == pytest.approx(0.5, abs=0.01)
    assert drawn[:, 6].mean() == pytest.approx(0.2, abs=0.01)
    limits = np.abs(drawn[:, :4]).max(axis=0)
    assert limits == pytest.approx([0.4, 0.4, 0.2, 0.1], rel=0.01)
    sigma = drawn[drawn[:, 5] > 0, 5]
    assert (sigma.min(), sigma.max()) == pytest.approx((0.1, 2.0), abs=0.01)
    assert sigma.mean() == pytest.approx(1.05, abs=0.02)
    # The operations are drawn independently of each other.
    assert np.abs(np.corrcoef(np.abs(drawn[:, 4:]).T) - np.eye(3)).max() < 0.02


def test_no_amount_is_no_change():
    drawn = ColourAugmentation().draw(np.random.default_rng(0), 500, amount=0.0)
    assert not drawn.any()


def test_amount_leaves_the_generator_in_the_same_state():
    after = []
    for amount in (0.0, 0.3, 1.0):
        rng = np.random.default_rng(0)
        ColourAugmentation().draw(rng, 10, amount)
        after.append(rng.random())
    assert len(set(after)) == 1
