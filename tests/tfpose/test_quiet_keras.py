"""Greetings are held back; nothing else is."""

import sys

import pytest

from tfpose.quiet_keras import import_keras


@pytest.fixture
def greeting_keras(tmp_path, monkeypatch):
    """A keras that writes to stderr what it is told, as native code does."""

    def make(code):
        (tmp_path / "keras.py").write_text(f"import os\n{code}\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        # Put back as it was, there or not, when the test is over.
        monkeypatch.setitem(sys.modules, "keras", None)
        del sys.modules["keras"]

    return make


def test_greetings_are_dropped_and_warnings_shown(greeting_keras, capfd):
    greeting_keras(
        "os.write(2, b'WARNING: All log messages before absl::InitializeLog() is\\n'"
        "b'I0000 port.cc:153] oneDNN custom operations are on. You may\\n'"
        "b'something is wrong\\n')"
    )
    import_keras()
    print("later", file=sys.stderr)
    assert capfd.readouterr().err == "something is wrong\nlater\n"


def test_what_a_failing_import_wrote_is_shown(greeting_keras, capfd):
    greeting_keras("os.write(2, b'no backend\\n')\nraise ImportError('broken')")
    with pytest.raises(ImportError, match="broken"):
        import_keras()
    assert capfd.readouterr().err == "no backend\n"
