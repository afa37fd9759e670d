"""Many replicas compute what one device would."""

import json
import os
import socket

import keras
import pytest

from tests.trainers.conftest import Trainer, read_metrics, read_state
from tfpose.errors import InputError
from trainers.engine.strategies import make_strategy, synchronize_batch_norm


def test_batch_norm_of_nets_within_nets_is_synchronised():
    inner = keras.Sequential([keras.Input((2,)), keras.layers.BatchNormalization()])
    model = keras.Sequential([inner, keras.layers.BatchNormalization()])
    for synchronized in (True, False):
        synchronize_batch_norm(model, synchronized)
        assert inner.layers[0].synchronized is synchronized
        assert model.layers[1].synchronized is synchronized


@pytest.mark.parametrize("name", ["auto", "single"])
def test_one_device(name):
    assert make_strategy(name).num_replicas_in_sync == 1


def test_no_tpu_is_said_in_one_line(monkeypatch):
    monkeypatch.delenv("TPU_NAME", raising=False)
    with pytest.raises(InputError, match="strategy: no TPU can be reached") as refusal:
        make_strategy("tpu")
    assert "\n" not in str(refusal.value)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for item in sockets:
        item.bind(("localhost", 0))
    ports = [item.getsockname()[1] for item in sockets]
    for item in sockets:
        item.close()
    return ports


@pytest.mark.slow
def test_two_workers_train_one_run(tiny, tmp_path):
    workers = [f"localhost:{port}" for port in free_ports(2)]
    options = {**tiny, "epochs": 1, "lr_drop_epochs": 1}
    trainers = []
    for index in range(2):
        task = {"type": "worker", "index": index}
        config = json.dumps({"cluster": {"worker": workers}, "task": task})
        trainers.append(
            Trainer(
                "trainers.hsjp_pretrain",
                {"TF_CONFIG": config},
                strategy="multi_worker",
                workdir=tmp_path / "two",
                **options,
            )
        )
    single = Trainer(
        "trainers.hsjp_pretrain", {}, workdir=tmp_path / "one", **options
    ).wait()
    outcomes = [trainer.wait() for trainer in trainers]
    assert [outcome.code for outcome in outcomes] == [0, 0], outcomes
    assert single.code == 0
    # The chief alone speaks and writes.
    assert "best epoch 1" in outcomes[0].out and not outcomes[1].out
    one, two = (read_metrics(tmp_path / name)[0] for name in ("one", "two"))
    assert two["train_loss"] == pytest.approx(one["train_loss"], rel=1e-2)
    assert two["train_inside"] == pytest.approx(one["train_inside"], rel=1e-6)
    states = [read_state(tmp_path / name) for name in ("one", "two")]
    assert [v.shape for v in states[0].values()] == [
        v.shape for v in states[1].values()
    ]
    assert (tmp_path / "two" / "model.keras").exists()


def test_damaged_cluster_is_said_in_one_line(monkeypatch):
    monkeypatch.setitem(os.environ, "TF_CONFIG", "{")
    with pytest.raises(InputError, match="strategy: TF_CONFIG cannot be used"):
        make_strategy("multi_worker")
