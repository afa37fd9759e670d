"""The folder of a run: its files, and the check that they are this run's."""

import contextlib
import dataclasses
import fcntl
import json
import pathlib
from collections.abc import Iterator
from typing import Any

from tfpose.errors import InputError
from tfpose.files import write_whole
from trainers.engine.config import RunConfig, differing_fields

__all__ = ["LAST_CHECKPOINT", "Workdir"]

LAST_CHECKPOINT = "last.npz"


@dataclasses.dataclass(frozen=True)
class Workdir:
    """Paths of a run: `config.json`, `checkpoints/`, `logs/`, `metrics.jsonl`,
    `figures/`, `model.keras` and, last of all, `summary.json`.
    """

    root: pathlib.Path
    chief: bool = True
    """Whether this process writes into it; of many workers one does."""

    @classmethod
    @contextlib.contextmanager
    def claim(cls, config: RunConfig, chief: bool = True) -> Iterator["Workdir"]:
        """Opens the folder for one process and checks that the run is the same.

        Raises:
            InputError: no folder given, it belongs to another run (the fields that
                differ are named) or holds other things, or another process works in it.
        """
        if not config.workdir:
            raise InputError(
                "workdir: give a folder for the run, e.g. --workdir=runs/first"
            )
        workdir = cls(pathlib.Path(config.workdir).expanduser(), chief)
        try:
            workdir.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"workdir {config.workdir}: {error.strerror}") from None
        if not chief:
            yield workdir
            return
        try:
            lock = open(workdir.root / ".lock", "w")
        except OSError as error:
            raise InputError(f"workdir {config.workdir}: {error.strerror}") from None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise InputError(
                    f"workdir {config.workdir}: another process is training in it"
                ) from None
            workdir._check_config(config)
            yield workdir

    def _check_config(self, config: RunConfig) -> None:
        path = self.root / "config.json"
        if not path.exists():
            foreign = [
                p.name for p in self.root.iterdir() if not p.name.startswith(".")
            ]
            if foreign:
                raise InputError(
                    f"workdir {self.root}: holds {sorted(foreign)[0]} but no "
                    "config.json, expected an empty folder or that of an earlier run"
                )
            self.write_json("config.json", config.to_json())
            return
        different = differing_fields(config, _read_object(path))
        if different and not self.begun:
            # A start that failed, on a wrong path for one, left nothing to keep.
            self.write_json("config.json", config.to_json())
        elif different:
            raise InputError(
                f"workdir {self.root}: belongs to another run "
                f"({'; '.join(different)}); choose another workdir"
            )

    @property
    def begun(self) -> bool:
        """Whether there is something to resume from."""
        return (self.checkpoints / LAST_CHECKPOINT).exists()

    @property
    def checkpoints(self) -> pathlib.Path:
        return self.root / "checkpoints"

    @property
    def logs(self) -> pathlib.Path:
        return self.root / "logs"

    @property
    def figures(self) -> pathlib.Path:
        return self.root / "figures"

    @property
    def model(self) -> pathlib.Path:
        return self.root / "model.keras"

    def write_json(self, name: str, value: Any) -> None:
        """Writes a JSON file into the folder, whole."""
        text = json.dumps(value, indent=2, allow_nan=True) + "\n"
        write_whole(self.root / name, lambda path: path.write_text(text))

    def read_summary(self) -> dict[str, Any] | None:
        """The final metrics of a run that has ended, or None."""
        path = self.root / "summary.json"
        return _read_object(path) if path.exists() else None

    def write_metrics(self, history: list[dict[str, Any]]) -> None:
        """`metrics.jsonl`: a line per epoch, in step with the checkpoint."""
        text = "".join(json.dumps(line) + "\n" for line in history)
        write_whole(self.root / "metrics.jsonl", lambda path: path.write_text(text))


def _read_object(path: pathlib.Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    if not isinstance(value, dict):
        raise InputError(f"{path}: expected a JSON object, found {str(value)[:40]!r}")
    return value
