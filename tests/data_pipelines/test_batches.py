"""Streams of samples: any start, any number of workers, the same batches."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow as tf

from data_pipelines.batches import (
    EpochPlans,
    epoch_rng,
    evaluation_batches,
    input_error,
    near_order,
    steps_per_epoch,
    training_batches,
)
from tfpose.errors import InputError


class Numbers:
    """Sample number p is p."""

    signature = {
        "number": tf.TensorSpec((), tf.int64),
        "pair": tf.TensorSpec((2,), tf.float32),
    }

    def __call__(self, position):
        if position == 1234:
            raise InputError("photo.jpg: truncated")
        return {
            "number": np.int64(position),
            "pair": np.array([position, -position], np.float32),
        }


def _numbers(batches, count):
    return [batch["number"].numpy().tolist() for batch in batches.take(count)]


def test_batches_are_in_order_and_of_static_shape():
    batches = training_batches(Numbers(), 4)
    assert _numbers(batches, 3) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert batches.element_spec["pair"].shape == (4, 2)


@pytest.mark.parametrize("step", [1, 7, 10**9])
def test_a_resumed_run_sees_the_batches_that_follow(step):
    assert _numbers(training_batches(Numbers(), 3, first_step=step), 2) == [
        [3 * step, 3 * step + 1, 3 * step + 2],
        [3 * step + 3, 3 * step + 4, 3 * step + 5],
    ]


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("evaluation", [False, True])
def test_shares_of_the_workers_make_the_global_batch(workers, evaluation):
    def share(worker):
        common = dict(worker=worker, workers=workers)
        if evaluation:
            return evaluation_batches(Numbers(), 10, 6, **common)
        return training_batches(Numbers(), 6, first_step=5, **common)

    shares = [_numbers(share(worker), 2) for worker in range(workers)]
    together = [sum(parts, []) for parts in zip(*shares, strict=True)]
    first = 0 if evaluation else 30
    whole = np.arange(first, first + 12)
    whole = np.minimum(whole, 9) if evaluation else whole
    assert np.concatenate(together).tolist() == whole.tolist()


def test_replicas_share_a_workers_batch_in_order():
    batches = training_batches(Numbers(), 8, replica_batch=2, worker=1, workers=2)
    assert _numbers(batches, 3) == [[4, 5], [6, 7], [12, 13]]


def test_evaluation_repeats_the_last_sample_and_ends():
    assert _numbers(evaluation_batches(Numbers(), 5, 3), 9) == [[0, 1, 2], [3, 4, 4]]


@pytest.mark.parametrize(
    "sizes", [dict(workers=3), dict(replica_batch=3), dict(replica_batch=0)]
)
def test_uneven_shares_are_refused(sizes):
    for make in (training_batches, lambda s, b, **k: evaluation_batches(s, 9, b, **k)):
        with pytest.raises(InputError, match="batch_size: 8 cannot be shared evenly"):
            make(Numbers(), 8, **sizes)


def test_an_epoch_needs_one_batch():
    assert steps_per_epoch(10, 3) == 3
    assert steps_per_epoch(3, 3) == 1
    for count, batch_size in ((2, 3), (0, 1), (5, 0)):
        with pytest.raises(InputError, match=f"number of samples, {count}, got"):
            steps_per_epoch(count, batch_size)


def test_draws_differ_by_seed_stream_and_epoch():
    names = [(0, "a", 0), (1, "a", 0), (0, "b", 0), (0, "a", 1)]
    names += [(0, "longer name 1", 0), (0, "longer name 2", 0)]
    draws = {epoch_rng(*name).random() for name in names}
    assert len(draws) == len(names)
    assert epoch_rng(3, "a", 2).random() == epoch_rng(3, "a", 2).random()


def test_a_plan_is_drawn_once_for_all_threads():
    drawn, barrier = [], threading.Barrier(4)

    def draw(epoch):
        drawn.append(epoch)
        return np.arange(epoch)

    plans = EpochPlans(draw)

    def ask(_):
        barrier.wait()
        return [len(plans[epoch]) for epoch in (0, 1, 0, 1, 2, 1)]

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(ask, range(4)))
    assert answers == [[0, 1, 0, 1, 2, 1]] * 4
    assert drawn[:2] == [0, 1]
    plans = EpochPlans(draw)
    drawn.clear()
    for epoch in (0, 1, 0, 1, 2, 1, 2):
        plans[epoch]
    assert drawn == [0, 1, 2]


def test_bad_input_comes_out_of_the_pipeline_in_one_line():
    with pytest.raises(tf.errors.OpError) as caught:
        list(training_batches(Numbers(), 2, first_step=617).take(1))
    error = input_error(caught.value)
    assert isinstance(error, InputError)
    assert str(error) == "photo.jpg: truncated"
    other = tf.errors.InternalError(None, None, "broken")
    assert input_error(other) is other


def test_near_order_keeps_a_photos_people_near():
    photos = np.random.default_rng(0).integers(0, 4000, 10_000)
    order = near_order(np.random.default_rng(1), photos)
    assert np.array_equal(np.sort(order), np.arange(10_000))
    place = np.empty(10_000, int)
    place[order] = np.arange(10_000)
    spans = [np.ptp(place[photos == photo]) for photo in np.unique(photos)]
    assert max(spans) < 2048
    # People of the first photos are anywhere, and batches mix photos.
    assert abs(np.corrcoef(place, photos)[0, 1]) < 0.05
    batches = photos[order].reshape(-1, 100)
    assert np.mean([len(np.unique(batch)) for batch in batches]) > 85
    again = near_order(np.random.default_rng(1), photos)
    assert np.array_equal(order, again)
    other = near_order(np.random.default_rng(2), photos)
    assert (order == other).mean() < 0.01


def test_near_order_of_single_people_is_any_order():
    """Each person of 4 in each place equally often."""
    rng, counts = np.random.default_rng(0), np.zeros((4, 4))
    for _ in range(4000):
        counts[np.arange(4), near_order(rng, np.array([3, 0, 1, 2]))] += 1
    assert np.abs(counts / 4000 - 0.25).max() < 0.04
