"""Cameras sampled around a subject."""

import dataclasses

import numpy as np
import pytest

from data_pipelines.lifting.cameras import project_points
from data_pipelines.mocap.cameras import (
    CAMERA_SETTINGS,
    CameraSetting,
    get_setting,
    sample_view,
)
from tfpose.errors import InputError

# Head, left hand, right hand, feet of somebody who faces +z: left is +x.
BODY = np.array([[[0, 1.7, 0], [0.7, 1.0, 0], [-0.7, 1.0, 0], [0, 0, 0.0]]])


def _fixed(**fields):
    """A setting that leaves nothing to chance."""
    values = {
        "azimuth": (0.0, 0.0),
        "elevation": (0.0, 0.0),
        "distance": (5.0, 5.0),
        "focal": (1.0, 1.0),
        "off_centre": 0.0,
    }
    return CameraSetting("fixed", **(values | fields))


def _rng(seed=0):
    return np.random.Generator(np.random.Philox(seed))


def test_camera_before_the_subject():
    view = sample_view(BODY, _fixed(), _rng())
    np.testing.assert_allclose(view.centre, [0, 0.85, 5], atol=1e-9)
    local = view.to_camera(BODY)[0]
    # x right, y down, z forward: who faces us has the left hand on our right.
    np.testing.assert_allclose(
        local,
        [[0, -0.85, 5], [0.7, -0.15, 5], [-0.7, -0.15, 5], [0, 0.85, 5]],
        atol=1e-9,
    )
    pixels = project_points(local, view.intrinsics)
    # The middle of an image of 1000 px is at 499.5; 1 m at 5 m spans 200 px.
    np.testing.assert_allclose(pixels[1], [499.5 + 140, 499.5 - 30], atol=1e-3)


def test_azimuth_goes_round_and_elevation_up():
    side = sample_view(BODY, _fixed(azimuth=(90.0, 90.0)), _rng())
    np.testing.assert_allclose(side.centre, [5, 0.85, 0], atol=1e-9)
    above = sample_view(BODY, _fixed(elevation=(30.0, 30.0)), _rng())
    np.testing.assert_allclose(
        above.centre, [0, 0.85 + 2.5, 5 * np.sqrt(0.75)], atol=1e-9
    )
    for view in (side, above):
        np.testing.assert_allclose(
            view.rotation @ view.rotation.T, np.eye(3), atol=1e-12
        )
        assert np.linalg.det(view.rotation) == pytest.approx(1)


def test_too_near_and_too_low_cameras_are_moved():
    near = sample_view(BODY, _fixed(distance=(0.6, 0.6)), _rng())
    pixels = project_points(near.to_camera(BODY[0]), near.intrinsics)
    assert pixels.min() == pytest.approx(0.03 * 999, abs=0.1)  # The margin.
    low = sample_view(BODY, _fixed(elevation=(-60.0, -60.0)), _rng())
    assert low.centre[1] == pytest.approx(0.2, abs=1e-6)


@pytest.mark.parametrize("name", sorted(CAMERA_SETTINGS))
def test_all_joints_are_inside_and_ranges_are_kept(name):
    setting = get_setting(name)
    rng = _rng(7)
    azimuths = []
    for _ in range(100):
        # Somebody who walks up to 3 m.
        take = BODY + rng.uniform(0, 3, (20, 1, 1)) * [1.0, 0.0, 0.5]
        view = sample_view(take, setting, rng)
        local = view.to_camera(take)
        assert local[..., 2].min() > 0.49
        assert view.centre[1] > 0.19
        pixels = project_points(local, view.intrinsics)
        height, width = view.image_size
        assert (height, width) in setting.image_sizes
        assert pixels.min() >= 0
        assert (pixels <= [width - 1, height - 1]).all()
        focal = view.intrinsics[0] / max(height, width)
        assert setting.focal[0] - 1e-4 <= focal <= setting.focal[1] + 1e-4
        forward = view.rotation[2]
        elevation = np.degrees(np.arcsin(-forward[1]))
        assert elevation <= setting.elevation[1] + 1e-6
        azimuths.append(np.degrees(np.arctan2(-forward[0], -forward[2])))
    counts, _ = np.histogram(azimuths, 4, (-180, 180))
    assert counts.min() > 10


def test_views_are_a_function_of_the_generator():
    first, second = (sample_view(BODY, get_setting("wild"), _rng(3)) for _ in range(2))
    other = sample_view(BODY, get_setting("wild"), _rng(4))
    np.testing.assert_array_equal(first.rotation, second.rotation)
    np.testing.assert_array_equal(first.centre, second.centre)
    assert not np.allclose(first.rotation, other.rotation)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"elevation": (10.0, 0.0)}, "elevation is 10.0..0.0, a range upside down"),
        ({"elevation": (0.0, 90.0)}, "elevation is .* expected -80 to 80"),
        ({"distance": (0.0, 2.0)}, "distance and focal must be above 0"),
        ({"image_sizes": ()}, "image_sizes must be"),
        ({"margin": 0.5}, "off_centre is 0 to 1, margin 0 to 0.4"),
    ],
)
def test_settings_are_checked(fields, message):
    with pytest.raises(InputError, match=f"camera setting 'fixed': {message}"):
        dataclasses.replace(_fixed(), **fields)


def test_settings_have_names():
    assert get_setting("wild") is CAMERA_SETTINGS["wild"]
    own = _fixed()
    assert get_setting(own) is own
    with pytest.raises(InputError, match="'studyo'; did you mean 'studio'"):
        get_setting("studyo")
