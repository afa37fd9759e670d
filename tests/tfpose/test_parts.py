"""Where a part is not installed: one line, with the command to type."""

import subprocess
import sys

import pytest

from tfpose import parts

# Does what Python does with the arguments behind the first, which names a package that
# cannot be found.
_RUN = """
import importlib.machinery, runpy, sys
missing, _, module, *arguments = sys.argv[1:]
class Finder(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.split(".")[0] != missing:
            return super().find_spec(name, path, target)
sys.meta_path[-1] = Finder
sys.argv, sys.orig_argv = ["-m", *arguments], ["python", "-m", module]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""
_TENSORFLOW = (
    "TensorFlow is not installed; type: pip install tensorflow-cpu tensorboard"
)
_LITERT = "LiteRT is not installed; type: pip install ai-edge-litert ai-edge-quantizer"
_SERVING = (
    "TF Serving's API is not installed; type: "
    "pip install --no-deps tensorflow-serving-api"
)


def _run(missing: str, *arguments: str) -> tuple[int, str]:
    """Exit code and stderr."""
    done = subprocess.run(
        [sys.executable, "-c", _RUN, missing, *arguments],
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    "missing,program,line",
    [
        ("tensorflow", ["-m", "tfpose", "predict", "photo.jpg"], _TENSORFLOW),
        ("tensorflow", ["-m", "trainers.top_down", "--workdir=runs/x"], _TENSORFLOW),
        pytest.param(
            "ai_edge_quantizer",
            ["-m", "export.litert", "--model=x.keras"],
            _LITERT,
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "tensorflow_serving",
            ["-m", "export.savedmodel", "--model=x.keras", "--out=x"],
            _SERVING,
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "tensorflow_serving",
            ["-m", "export.serving.client", "ready", "--server=grpc://x", "--model=x"],
            _SERVING,
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_program_says_what_to_type(missing, program, line):
    code, said = _run(missing, *program)
    assert (code, said) == (2, f"error: {line}\n")


def test_other_mistakes_keep_their_traceback(monkeypatch, capsys):
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(parts.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="LiteRT is not installed") as missing:
        parts.need("ai_edge_litert")
    with pytest.raises(SystemExit):
        sys.excepthook(missing.type, missing.value, missing.tb)
    assert "Traceback" not in capsys.readouterr().err
    sys.excepthook(KeyError, KeyError("x"), None)
    assert "KeyError: 'x'" in capsys.readouterr().err
    parts.need("a_library_of_somebody_else")
