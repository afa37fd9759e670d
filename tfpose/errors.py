"""The exception whose message is shown to the user."""

__all__ = ["InputError"]


class InputError(ValueError):
    """The user's input cannot be used.

    The message is one line that names the file, record or field, its value and what was
    expected. Every `main` prints it as `error: <message>` and exits with code 2. Any
    other exception is a bug and keeps its traceback.
    """
