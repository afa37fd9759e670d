"""`python -m tfpose predict`: poses drawn on photos and videos, and as files."""

import contextlib
import pathlib
import signal
import sys
import threading
from collections.abc import Iterator, Sequence

import numpy as np

from data_pipelines.readers.label_sense import read_as_corners
from data_pipelines.video import VideoFrame
from tfpose.cli.models import load_predictor, load_shipped
from tfpose.cli.picture_sources import PictureSource, find_sources
from tfpose.cli.pose_document import PoseDocument
from tfpose.cli.prediction_files import Origin, PredictionFiles
from tfpose.cli.progress import Progress
from tfpose.cli.window import Window
from tfpose.errors import InputError
from tfpose.files import new_folder
from tfpose.predictors import People, Picture, box_problem

__all__ = ["predict"]

_ONE_PERSON = (
    "one person was taken to fill each picture: if there are several, or small ones, "
    "give --boxes=FILE, or a --model that finds people by itself"
)
_NOBODY = (
    "nobody was found in {}: if one person fills the picture, use --model=tfpose_person"
)


def predict(
    paths: Sequence[str],
    model: str,
    out: str,
    box: str | None = None,
    boxes: str = "",
    adapt: str = "",
    smooth: bool = True,
    show: bool = True,
    formats: Sequence[str] = (),
) -> tuple[pathlib.Path, str]:
    """Writes `<photo>_pose.png` for each photo, `<video>_pose.mp4` for each video, and
    `poses.json`.

    The JSON file is in COCO format: images (a frame of a video has its number and its
    time in seconds), annotations (a person each, keypoints as x, y in pixels and the
    score, all joints in the model's order; the names of uncertain ones, see
    `Predictor.score_threshold`; the person's box; the person's score; in a video the
    person's number) and the category, which names the joints.

    What cannot be used is named, a line each, and the rest is done all the same. After
    Ctrl-C the pictures that were done are there, in the JSON file, too.

    Args:
        paths: photos, videos, or folders of them; addresses of videos and streams;
            numbers of cameras. Cameras and streams go on until Ctrl-C.
        model: a `.keras` pose net; empty for those that ship with the package, see
            `tfpose.cli.models.load_shipped`.
        out: folder for the results; if there are some in it already, another one with
            a number after its name.
        box: `x,y,w,h` of the person in pixels, for all pictures.
        boxes: JSON file of people's boxes, see `readers.box_file`. With neither, a
            model that needs boxes takes one person to fill each picture.
        adapt: see `tfpose.adapters.parse_adaptation`, for pose nets; empty for none.
        smooth: whether people of videos move smoothly, see `tfpose.tracking`.
        show: whether a window shows what is live, where there is a screen.
        formats: "csv" for `poses.csv`, too; see `tfpose.cli.formats`.

    Returns:
        The folder of the results, and a line about what could not be used or written;
        empty if all could.

    Raises:
        InputError: nothing that can be looked at, no pose net, or boxes for one that
            finds people by itself.
    """
    sources, failures = find_sources(paths, box, boxes)
    boxed = bool(boxes) or box is not None
    predictor = load_predictor(model, adapt) if model else load_shipped(boxed, adapt)
    if not predictor.wants_boxes and boxed:
        name = "boxes" if boxes else "box"
        raise InputError(f"{name} is given, but {model} finds people by itself")
    document = PoseDocument(predictor.skeleton, predictor.score_threshold)
    work = _Work(new_folder(out), document, sources, smooth, show, formats)
    for failure in failures:
        work.fail(failure)
    stopped = False
    try:
        for picture, found in predictor.stream(work.pictures()):
            with _undisturbed():
                work.finish(picture, found.above(predictor.person_threshold))
    except KeyboardInterrupt:
        stopped = not work.live
    finally:
        with contextlib.suppress(KeyboardInterrupt), _undisturbed():
            work.close()
    if left_out := predictor.left_out():
        print(left_out, flush=True)
    if document.images and predictor.wants_boxes and not boxed:
        print(_ONE_PERSON, flush=True)
    if work.empty and not predictor.wants_boxes:
        print(_NOBODY.format(work.empty_photos()), flush=True)
    if stopped:
        print(f"interrupted: {work.summary()}", file=sys.stderr)
        sys.exit(130)
    if work.failures and not document.images:
        raise InputError(work.failure())
    print(work.summary(), flush=True)
    return work.folder, work.failure()


class _Work:
    """What has been done, what is to be done, and what could not."""

    def __init__(
        self,
        folder: pathlib.Path,
        document: PoseDocument,
        sources: Sequence[PictureSource],
        smooth: bool,
        show: bool,
        formats: Sequence[str],
    ):
        self.folder = folder
        self.failures: list[str] = []
        self.live = False
        """Whether a camera or stream is being looked at: only Ctrl-C ends it."""
        self.empty: list[str] = []
        """Photos in which nobody was found."""
        self._document = document
        self._files = PredictionFiles(folder, document, smooth, formats, self.fail)
        self._sources = sources
        counts = [s.reader.announced if s.reader else 1 for s in sources]
        self._total = sum(counts) if all(counts) else 0
        self._progress = Progress(self._total)
        self._doubted = False
        self._show = show
        self._window: Window | None = None

    def pictures(self) -> Iterator[Picture[Origin]]:
        for source in self._sources:
            self.live = source.live
            if source.live:
                self._begin_live(source)
            try:
                for image, frame in source.pictures():
                    if self._window is not None and self._window.closed:
                        break
                    boxes = source.boxes_of(frame)
                    if boxes is not None:
                        boxes = self._usable(boxes, source, frame, image.shape)
                        if boxes is None:
                            continue
                    yield Picture(image, boxes, Origin(source, frame), source.live)
            except InputError as error:
                self.fail(str(error))
            self._end_live()

    def finish(self, picture: Picture[Origin], people: People) -> None:
        """Draws and writes a picture and its people."""
        drawn = self._files.add(picture, people)
        if self._window is not None and picture.live:
            self._window.show(drawn)
        source = picture.origin.source
        if source.reader is None and not len(people):
            self.empty.append(source.path)
        self._progress.report(self._document.images, source.path)

    def close(self) -> None:
        """Makes files of all that has been done."""
        self._progress.clear()
        self._end_live()
        self._files.close()

    def summary(self) -> str:
        done = self._document
        count = f"{done.images}"
        if all(source.reader is None or not source.live for source in self._sources):
            count += f"/{max(self._total, done.images)}"
        return f"{count} pictures, {done.people} people; in {self.folder}"

    def empty_photos(self) -> str:
        more = len(self.empty) - 1
        return self.empty[0] + (f" and {more} other photos" if more else "")

    def failure(self) -> str:
        if len(self.failures) < 2:
            return "".join(self.failures)
        return f"{len(self.failures)} photos, videos or boxes were not used or written"

    def _begin_live(self, source: PictureSource) -> None:
        line = f"{source.path}: Ctrl-C ends it"
        if self._show:
            self._window = Window(source.path)
            if self._window.missing:
                line += f"; it is not shown: {self._window.missing}"
            else:
                line += ", or q in its window"
        self._progress.clear()
        print(line, file=sys.stderr, flush=True)

    def _end_live(self) -> None:
        if self._window is not None:
            self._window.close()
            self._window = None

    def _usable(
        self,
        boxes: np.ndarray,
        source: PictureSource,
        frame: VideoFrame | None,
        shape: tuple[int, ...],
    ) -> np.ndarray | None:
        """The boxes that touch the picture; None if there are boxes and none does.

        Raises:
            InputError: it is the one box of all frames that does not.
        """
        problems = [box_problem(box, shape) for box in boxes]
        where = source.path
        self._doubt(boxes, where, shape)
        if frame is not None:
            if all(problems) and not isinstance(source.boxes, dict):
                raise InputError(f"{where}: box: {problems[0]}")
            where += f": frame {frame.index}"
        for problem in filter(None, problems):
            self.fail(f"{where}: box: {problem}")
        kept = boxes[[not problem for problem in problems]].reshape(-1, 4)
        # A video keeps all its frames.
        return kept if len(kept) or not len(boxes) or frame is not None else None

    def _doubt(self, boxes: np.ndarray, where: str, shape: tuple[int, ...]) -> None:
        """Says once if boxes seem to be two corners each."""
        over, corners = read_as_corners(boxes, np.array(shape[:2]))
        if not self._doubted and over.any() and corners.all():
            self._doubted = True
            self._progress.clear()
            print(
                f"check: {where}: boxes reach over the picture's edges as x, y, w, h; "
                "as x1, y1, x2, y2 none would",
                file=sys.stderr,
                flush=True,
            )

    def fail(self, line: str, what: str = "not used") -> None:
        """Notes what went wrong, and says so where it is not all there is."""
        self.failures.append(line)
        if self._total != 1:
            self._progress.clear()
            print(f"{what}: {line}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """A block that Ctrl-C waits for."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came = []
    before = signal.signal(signal.SIGINT, lambda *_: came.append(True))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt
