"""The store of augmented poses."""

import numpy as np

from tfpose.adversarial.pool import FakePool


def batch(start, count=8) -> np.ndarray:
    numbers = np.arange(start, start + count, dtype=np.float32)
    return np.tile(numbers[:, None, None], (1, 2, 3))


def test_it_gives_back_what_it_gets_until_it_is_full():
    pool = FakePool(32, (2, 3))
    for start in range(0, 32, 8):
        np.testing.assert_array_equal(pool(batch(start)), batch(start))
    assert sorted(pool.pooled.numpy()[:, 0, 0]) == list(range(32))


def test_then_half_is_swapped_and_nothing_is_lost():
    pool = FakePool(32, (2, 3))
    given, old = [], 0
    for start in range(0, 4000, 8):
        before = set(pool.pooled.numpy()[:, 0, 0]) if start >= 32 else set()
        out = np.asarray(pool(batch(start)))
        assert (out == out[:, :1, :1]).all()
        numbers = set(out[:, 0, 0])
        if start >= 32:
            new = set(batch(start)[:, 0, 0])
            after = set(pool.pooled.numpy()[:, 0, 0])
            assert numbers | after == before | new and len(numbers) == 8
            old += len(numbers - new)
        given += numbers
    assert 0.45 < old / (4000 - 32) < 0.55


def test_the_same_seed_gives_the_same():
    first, second = FakePool(16, (2, 3), seed=3), FakePool(16, (2, 3), seed=3)
    for start in range(0, 160, 8):
        np.testing.assert_array_equal(first(batch(start)), second(batch(start)))
