"""From which of two data sets bodies seem to be: a classifier, and its features."""

import importlib.util
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from data_pipelines.lifting.poses import LiftingDataset
from tfpose.cli.adaptation.study import ADAPTED, COLOURS, UNADAPTED, Finding, Study
from tfpose.cli.progress import Progress
from tfpose.errors import InputError
from tfpose.iso.priors import Discriminator

__all__ = ["datasets"]

_SOURCE, _TARGET = "source truth", "target truth"
_COLOURS = {_SOURCE: "#8e8e8e", _TARGET: "black"} | COLOURS
_UNITS, _STEPS, _BATCH, _RATE = 1024, 600, 128, 2e-4
# Of each kind, for the picture.
_POINTS = 400


def datasets(study: Study, source: LiftingDataset) -> Finding:
    """The share of predictions that a classifier takes for the target's (Fig. 6).

    The classifier is `Discriminator` on root-relative positions (section 3.3), trained
    to tell the true poses of both data sets. Every fifth take of each is held back and
    gives its accuracy (of a data set of one take, its last fifth of poses).

    Args:
        study: of the target.
        source: with the net's joints.

    Raises:
        InputError: fewer than ten poses on one side.
    """
    root = study.net.skeleton.root
    truths = {
        _SOURCE: source.positions - source.positions[:, [root]],
        _TARGET: study.truth,
    }
    for name, positions in truths.items():
        if len(positions) < 10:
            raise InputError(f"{name}: {len(positions)} poses, expected ten or more")
    predictions = {UNADAPTED: study.unadapted(), ADAPTED: study.adapted()}
    held = [_held_back(poses) for poses in (source, study.poses)]
    net = _train([p[~h] for p, h in zip(truths.values(), held, strict=True)])
    said = [
        float(np.mean(_says_target(net, positions[rows])))
        for positions, rows in zip(truths.values(), held, strict=True)
    ]
    accuracy = (1 - said[0] + said[1]) / 2
    shares = {
        kind: float(np.mean(_says_target(net, positions)))
        for kind, positions in predictions.items()
    }
    numbers: dict[str, Any] = {"accuracy": accuracy, "taken_for_target": shares}
    points = _places(net, truths | predictions)
    if points:
        numbers["t_sne"] = {kind: p.round(3).tolist() for kind, p in points.items()}
    lines = [f"the classifier is right about {accuracy:.1%} of poses held back"]
    lines += [
        f"{kind:10s} taken for the target's: {s:.1%}" for kind, s in shares.items()
    ]
    if not points:
        lines.append(
            "no t-SNE: scikit-learn is not installed: pip install tfpose[analysis]"
        )

    def draw(figure: Figure) -> None:
        bars, cloud = figure.subplots(1, 2)
        heights = bars.bar(
            list(shares),
            [100 * share for share in shares.values()],
            color=[_COLOURS[kind] for kind in shares],
        )
        bars.bar_label(heights, fmt="%.1f")
        bars.set_ylim(0, 105)
        bars.set_title(f"a classifier that is right about {accuracy:.0%}", fontsize=10)
        bars.set_ylabel("taken for the target's, %")
        cloud.set_axis_off()
        for kind, places in points.items():
            cloud.scatter(*places.T, s=4, color=_COLOURS[kind], label=kind)
        if points:
            cloud.set_title("t-SNE of the classifier's features", fontsize=10)
            cloud.legend(fontsize=8, markerscale=2)

    return Finding(numbers, lines, draw)


def _held_back(poses: LiftingDataset) -> np.ndarray:
    """Mask `[N]` of the poses that the classifier is not trained on."""
    takes = np.unique(poses.sequence_index)
    if len(takes) == 1:
        return np.arange(len(poses)) >= 0.8 * len(poses)
    return np.isin(poses.sequence_index, takes[1::5])


def _train(classes: list[np.ndarray]) -> Discriminator:
    """A classifier: score above 0 for poses like the second of two kinds."""
    keras.utils.set_random_seed(0)
    net = Discriminator(_UNITS, name="classifier")
    net.build((None, *classes[0].shape[1:]))
    optimizer = keras.optimizers.Adam(_RATE)
    optimizer.build(net.trainable_variables)
    labels = tf.repeat([[-1.0], [1.0]], _BATCH // 2, axis=0)

    @tf.function
    def step(positions: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            scores = net(positions, training=True)
            loss = tf.reduce_mean(tf.nn.softplus(-labels * scores))
        gradients = tape.gradient(loss, net.trainable_variables)
        optimizer.apply_gradients(zip(gradients, net.trainable_variables, strict=True))

    rng = np.random.default_rng(0)
    progress = Progress(_STEPS)
    for done in range(1, _STEPS + 1):
        rows = [rng.integers(0, len(kind), _BATCH // 2) for kind in classes]
        batch = [kind[row] for kind, row in zip(classes, rows, strict=True)]
        step(tf.constant(np.concatenate(batch)))
        progress.report(done, "classifier")
    progress.clear()
    return net


def _says_target(net: Discriminator, positions: np.ndarray) -> np.ndarray:
    return net.predict(positions, batch_size=1024, verbose=0)[:, 0] > 0


def _places(net: Discriminator, kinds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Places `[M, 2]` of some poses of each kind; none without scikit-learn."""
    if importlib.util.find_spec("sklearn") is None:
        return {}
    from sklearn.manifold import TSNE

    rng = np.random.default_rng(0)
    chosen = [
        poses[np.sort(rng.permutation(len(poses))[:_POINTS])]
        for poses in kinds.values()
    ]
    features = net.features(tf.constant(np.concatenate(chosen)), training=False).numpy()
    perplexity = min(30.0, (len(features) - 1) / 3)
    places = TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(
        features
    )
    ends = np.cumsum([len(poses) for poses in chosen])[:-1]
    return dict(zip(kinds, np.split(places, ends), strict=True))
