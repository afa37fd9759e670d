"""Adaptation to one image: the inner loop, its derivatives, guards and refusals."""

import numpy as np
import pytest
import tensorflow as tf

from tests.tiny_metta import make_tiny_metta
from tfpose.adaptation import AdaptedModel
from tfpose.adapters import build_adapter
from tfpose.errors import InputError
from tfpose.metta.adapt import InnerLoop, MeTTAAdapter
from tfpose.metta.net import MeTTANet
from tfpose.metta.options import MeTTAOptions
from tfpose.metta.pictures import adaptation_sheet
from tfpose.skeletons import get_skeleton

RNG = np.random.default_rng(0)
FREE = MeTTAOptions(guard=False, limit=0)


@pytest.fixture(scope="module")
def net() -> MeTTANet:
    return make_tiny_metta("coco17")


@pytest.fixture(scope="module")
def adapt(net):
    return tf.function(MeTTAAdapter(net, FREE).adapt)


def image(count: int = 1) -> np.ndarray:
    return RNG.integers(0, 256, (count, 32, 32, 3)).astype(np.float32)


def trace(net, options: MeTTAOptions, images: np.ndarray) -> dict[str, np.ndarray]:
    adapter = MeTTAAdapter(net, options)
    found = adapter.trace(adapter.init(net.variables), {"image": images})
    return {name: np.asarray(value) for name, value in found.items()}


def moved(state, net) -> list[float]:
    return [
        float(np.abs(new[0] - np.asarray(old)).max())
        for new, old in zip(state["weights"], net.adapted, strict=True)
    ]


def test_inpainting_gets_better_and_keypoints_move(net):
    slow = MeTTAOptions(learning_rate=1e-3)
    found = trace(net, slow, image(4))
    keypoints, losses = found["keypoints"], found["losses"]
    assert keypoints.shape == (4, 4, 17, 2) and found["scores"].shape == (4, 4, 17)
    assert (losses[-1] < losses[0]).all()
    assert np.abs(keypoints[-1] - keypoints[0]).max() > 1e-3


def test_pictures_show_keypoints_and_poses_before_and_after(net):
    images = image(2)
    found = trace(net, MeTTAOptions(learning_rate=0.3), images)
    before = net.points(net.self_head(net.extractor(images, training=False)))
    np.testing.assert_allclose(found["points"][0], before, atol=1e-5)
    assert np.abs(found["points"][-1] - found["points"][0]).max() > 1e-3
    skeleton = get_skeleton("coco17")
    # Scores of a new net are below what is drawn.
    found["scores"] = np.ones_like(found["scores"])
    sheet = adaptation_sheet(images, found, skeleton)
    assert sheet.shape[1] >= 4 * 128 and sheet.shape[0] >= 2 * 128
    still = {name: np.stack([one[0], one[0]]) for name, one in found.items()}
    assert (adaptation_sheet(images, still, skeleton) != sheet).any()


def test_a_step_is_the_gradients_direction_times_the_rate(net):
    given = image()
    loop = InnerLoop(net, steps=1, learning_rate=0.02)
    pictures = net.picture(given)
    views = (
        net.extractor(given, training=False),
        net.appearance(pictures, net.fixed_masks),
        pictures,
    )
    start = loop.begin(net.adapted, 1)
    (before, after), _ = loop(start, *views)
    with tf.GradientTape() as tape:
        tape.watch(start)
        loss = loop.loss(start, *views)
    for old, new, slope in zip(before, after, tape.gradient(loss, start), strict=True):
        slope = np.asarray(slope)
        expected = old - 0.02 * slope / max(np.linalg.norm(slope), 1e-6)
        if np.linalg.norm(slope) > 1e-5:
            np.testing.assert_allclose(new, expected, rtol=1e-3, atol=1e-5)


def test_images_of_a_batch_adapt_as_alone(net):
    given = image(3)
    # Small steps: large ones of a new net make much of a rounding error.
    small = MeTTAOptions(learning_rate=0.02)
    together = trace(net, small, given)
    for row in range(3):
        alone = trace(net, small, given[row : row + 1])
        # Not keypoints: a rounding error moves a new net's highest peak.
        for name in ("scores", "losses"):
            np.testing.assert_allclose(
                together[name][:, row], alone[name][:, 0], rtol=1e-3, atol=1e-4
            )


def test_episodes_are_pure(net, adapt):
    given, weights = {"image": image()}, [np.array(v) for v in net.variables]
    adapter = MeTTAAdapter(net, FREE)
    state = adapter.init(net.variables)
    first, again = adapt(state, given), adapt(state, given)
    for one, other in zip(first["weights"], again["weights"], strict=True):
        np.testing.assert_array_equal(one, other)
    assert max(moved(first, net)) > 1e-3 and max(moved(state, net)) == 0
    for value, variable in zip(weights, net.variables, strict=True):
        np.testing.assert_array_equal(value, variable)
    # The last of the trace.
    last = trace(net, FREE, given["image"])["scores"][-1]
    found = adapter.predict(first, given)["scores"]
    np.testing.assert_allclose(found, last, rtol=1e-3)


def test_online_carries_weights_on(net):
    samples = [{"image": image()} for _ in range(2)]
    for online in (False, True):
        options = MeTTAOptions(online=online, guard=False, limit=0)
        model = AdaptedModel(MeTTAAdapter(net, options), net.variables)
        found = [np.asarray(model(sample)["keypoints"]) for sample in samples]
        model.begin()
        fresh = np.asarray(model(samples[1])["keypoints"])
        assert (np.abs(found[1] - fresh).max() > 1e-3) == online
        np.testing.assert_allclose(
            model.unadapted(samples[0])["keypoints"],
            trace(net, FREE, samples[0]["image"])["keypoints"][0],
            atol=1e-3,
        )


@pytest.mark.parametrize("moves", ("hidden", "maps"))
def test_only_what_is_asked_moves(net, moves):
    adapter = MeTTAAdapter(net, MeTTAOptions(moves=moves, guard=False, limit=0))
    state = adapter.adapt(adapter.init(net.variables), {"image": image()})
    for distance, weight in zip(moved(state, net), net.adapted, strict=True):
        assert (distance > 0) == weight.name.startswith(moves), weight.name


def _one_colour(given):
    given[:] = 99


def _not_a_number(given):
    given[0, 3, 3] = np.nan


def _cut_off(given):
    given[:, 12:] = 0


@pytest.mark.parametrize(
    ("damage", "reason"),
    (
        (_one_colour, "of one colour"),
        (_not_a_number, "with numbers that are not finite"),
        (_cut_off, "cut off by the photo's edge"),
    ),
)
def test_images_that_cannot_be_used_get_the_plain_answer(net, adapt, damage, reason):
    given = image()
    damage(given)
    adapter = MeTTAAdapter(net, FREE)
    state = adapt(adapter.init(net.variables), {"image": given})
    assert max(moved(state, net)) == 0
    assert adapter.describe(state) == f"not adapted to 1 people {reason}"


def test_a_weight_that_is_no_number_gives_the_plain_answer(net):
    bias = net.decoder.weights[-1]
    before = np.array(bias)
    bias.assign(np.full(bias.shape, np.nan))
    try:
        adapter = MeTTAAdapter(net, FREE)
        state = adapter.adapt(adapter.init(net.variables), {"image": image()})
        assert max(moved(state, net)) == 0
        assert "not finite" in adapter.describe(state)
    finally:
        bias.assign(before)


def test_guards_give_the_plain_answer(net):
    given = {"image": image()}
    worse = MeTTAOptions(steps=1, learning_rate=1e-3, limit=0)
    far = MeTTAOptions(steps=1, learning_rate=0.3, guard=False, limit=1e-4)
    for options, reason in (
        (worse, "whose inpainting did not get better"),
        (far, "whose joints moved too far"),
    ):
        adapter = MeTTAAdapter(net, options)
        if options is worse:
            # Up, not down.
            adapter.loop._learning_rate *= -1
        state = adapter.adapt(adapter.init(net.variables), given)
        assert max(moved(state, net)) == 0
        assert adapter.describe(state).endswith(reason)


def test_second_order_gradient_equals_finite_differences(net):
    """Of what adapted weights lead to, along the gradient, for all that learns."""
    pictures = net.picture(image(2))
    features = RNG.normal(0, 0.5, (2, 8, 8, 8)).astype(np.float32)
    target = RNG.normal(size=(2, 8, 8, 6)).astype(np.float32)
    variables = [*net.adapted, *net.auxiliary_variables]

    def outer(first_order: bool = False):
        loop = InnerLoop(net, 2, first_order, learning_rate=0.05)
        appearance = net.appearance(pictures, net.fixed_masks)
        weights = loop.begin(net.adapted, 2)
        history, _ = loop(weights, features, appearance, pictures)
        maps = net.self_head.with_weights(features, history[-1])
        return tf.reduce_mean((maps - target) ** 2)

    def gradients(first_order: bool) -> list[np.ndarray]:
        with tf.GradientTape() as tape:
            value = outer(first_order)
        found = tape.gradient(
            value,
            [v.value for v in variables],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        return [np.asarray(one) for one in found]

    def slope(found: list[np.ndarray]) -> float:
        return sum((g * d).sum() for g, d in zip(found, direction, strict=True))

    def moved_by(step: float) -> float:
        for variable, value, way in zip(variables, start, direction, strict=True):
            variable.assign(value + step * way)
        value = float(outer())
        for variable, value_before in zip(variables, start, strict=True):
            variable.assign(value_before)
        return value

    exact, first = gradients(False), gradients(True)
    auxiliary = len(net.adapted)
    start = [np.array(v) for v in variables]
    for part in (slice(None), slice(auxiliary, None)):
        direction = [np.zeros_like(one) for one in exact]
        direction[part] = exact[part]
        length = np.sqrt(sum((one**2).sum() for one in direction))
        direction = [one / length for one in direction]
        measured = (moved_by(3e-3) - moved_by(-3e-3)) / 6e-3
        assert slope(exact) == pytest.approx(measured, rel=0.1)
        # What the first order leaves out is no trifle.
        assert abs(slope(first) - measured) > 0.2 * abs(measured)


def test_commands_find_it_by_name(net):
    adapter = build_adapter(net, "metta,steps=2,moves=maps")
    assert isinstance(adapter, MeTTAAdapter) and adapter.loop.steps == 2


@pytest.mark.parametrize(
    ("text", "message"),
    (
        ("metta,moves=head", "moves: expected one of all, hidden, maps"),
        ("metta,steps=-1", "steps: expected at least 0"),
        ("metta,limit=nan", "limit: expected a number"),
    ),
)
def test_impossible_options_are_refused(net, text, message):
    with pytest.raises(InputError, match=message):
        build_adapter(net, text)


def test_other_nets_are_refused(net):
    with pytest.raises(InputError, match=r"metta adapts nets of trainers\.metta"):
        MeTTAAdapter(net.pose_net, FREE)
    blind = MeTTANet(net.pose_net, shrink=2, filters=(4, 8, 8), pose_guidance=False)
    with pytest.raises(InputError, match="without pose_guidance"):
        MeTTAAdapter(blind, FREE)
