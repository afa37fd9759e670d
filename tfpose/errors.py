"""The one exception whose message is meant for the person at the keyboard."""

__all__ = ["InputError"]


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one line that names the file, record or field, what was found
    and what was expected. Every `main` prints it as `error: <message>` and exits
    with code 2; any other exception is a fault of ours and keeps its traceback.
    """
