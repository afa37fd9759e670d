"""What a command says that refuses."""

import pytest

from tfpose.cli.commands import main

__all__ = ["refusal"]


def refusal(capsys, *arguments) -> str:
    """The one line on stderr of a command that ends with exit code 2."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: ")
    return line
