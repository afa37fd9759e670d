"""The text that names a method of adaptation and its options."""

import pytest

from tfpose.adapters import parse_adaptation
from tfpose.errors import InputError
from tfpose.iso.options import MODES, ISOOptions


def test_modes_and_options():
    assert parse_adaptation("iso").options == ISOOptions()
    for mode, changes in MODES.items():
        assert parse_adaptation(f"iso,mode={mode}").options == ISOOptions(**changes)
    options = parse_adaptation(
        "iso,mode=vanilla,steps=5,learning_rate=1e-5,refined=true"
    ).options
    assert options == ISOOptions(
        online=False, steps=5, learning_rate=1e-5, refined=True
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("isi", "adapt: no method 'isi'; did you mean 'iso'?"),
        ("iso,mode=vanila", "adapt: iso: no mode 'vanila'; did you mean 'vanilla'?"),
        ("iso,stps=3", "adapt: iso: no option 'stps'; did you mean 'steps'?"),
        ("iso,steps=a", "adapt: iso: steps: expected a whole number, got 'a'"),
        ("iso,steps", "adapt: iso: expected option=value, got 'steps'"),
        ("iso,steps=1,steps=2", "adapt: iso: steps is given twice"),
        ("iso,steps=-1", "adapt: iso: steps: expected 0 or more, got -1"),
        ("iso,refined=yes", "adapt: iso: refined: expected true or false, got 'yes'"),
        (
            "iso,learning_rate=inf",
            "adapt: iso: learning_rate: expected a number, got 'inf'",
        ),
    ],
)
def test_what_is_refused(text, message):
    with pytest.raises(InputError) as refusal:
        parse_adaptation(text)
    assert str(refusal.value) == message
