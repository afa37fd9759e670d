"""A window that shows pictures while they are made."""

import numpy as np

__all__ = ["Window"]


class Window:
    """Shows one picture after the other, if there is a screen.

    It is of Tk, which comes with Python: the build of OpenCV that is used has none.
    """

    def __init__(self, title: str):
        self.closed = False
        """Whether somebody closed it, or pressed q or Escape."""
        self.missing = ""
        """Why there is no window; empty where there is one."""
        try:
            import tkinter
        except ImportError:
            self.missing = "this Python has no Tk"
            return
        try:
            self._root = tkinter.Tk()
        except tkinter.TclError as error:
            self.missing = f"there is no screen ({error})"
            return
        self._root.title(title)
        self._label = tkinter.Label(self._root, borderwidth=0)
        self._label.pack()
        self._root.protocol("WM_DELETE_WINDOW", self._leave)
        for key in ("q", "<Escape>"):
            self._root.bind(key, lambda _: self._leave())
        self._new_photo = tkinter.PhotoImage

    def show(self, picture: np.ndarray) -> None:
        """Shows uint8 `[H, W, 3]` RGB, smaller where the screen is."""
        if self.missing or self.closed:
            return
        room = 0.9 * np.array(
            [self._root.winfo_screenheight(), self._root.winfo_screenwidth()]
        )
        skip = max(1, int(np.ceil((picture.shape[:2] / room).max())))
        picture = np.ascontiguousarray(picture[::skip, ::skip])
        height, width = picture.shape[:2]
        content = b"P6 %d %d 255\n" % (width, height) + picture.tobytes()
        photo = self._new_photo(data=content, format="PPM")
        self._label.configure(image=photo)
        # Tk does not keep pictures alive.
        self._photo = photo
        self._root.update()

    def close(self) -> None:
        """Takes it off the screen."""
        if not self.missing:
            self._root.destroy()

    def _leave(self) -> None:
        self.closed = True
