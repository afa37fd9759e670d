"""`python -m tfpose predict`: poses drawn on photos and videos, and as JSON."""

import contextlib
import dataclasses
import pathlib
import signal
import sys
import threading
from collections.abc import Iterator, Sequence

import numpy as np

from data_pipelines.readers.label_sense import read_as_corners
from data_pipelines.video import VideoFrame, VideoWriter
from tfpose.cli.models import load_predictor
from tfpose.cli.picture_sources import PictureSource, find_sources
from tfpose.cli.pose_document import PoseDocument
from tfpose.cli.progress import Progress
from tfpose.drawing import draw_skeleton
from tfpose.errors import InputError
from tfpose.files import usable_folder, write_picture
from tfpose.predictors import People, Picture, box_problem

__all__ = ["predict"]

_THRESHOLD = 0.2
_FAINT = 0.1


def predict(
    paths: Sequence[str],
    model: str,
    out: str,
    box: str | None = None,
    boxes: str = "",
    adapt: str = "",
) -> None:
    """Writes `<out>/<photo>_pose.png` for each photo, `<out>/<video>_pose.mp4` for each
    video, and `<out>/poses.json`.

    The JSON file is in COCO format: images (a frame of a video has its number and its
    time in seconds), annotations (a person each, keypoints as x, y in pixels and the
    score, all joints in the model's order; the person's box; the person's score) and
    the category, which names the joints.

    What cannot be used is named, a line each, and the rest is done all the same. After
    Ctrl-C the pictures that were done are there, in the JSON file, too.

    Args:
        paths: photos, videos, or folders of them.
        model: a `.keras` pose net; empty for the one that ships with the package.
        out: folder, made if need be.
        box: `x,y,w,h` of the person in pixels, for all pictures.
        boxes: JSON file of people's boxes, see `readers.box_file`. With neither, a
            model that needs boxes takes one person to fill each picture.
        adapt: see `tfpose.adapters.parse_adaptation`, for pose nets; empty for none.

    Raises:
        InputError: nothing to look at, something that cannot be used, no pose net, or
            boxes for one that finds people by itself.
    """
    sources, failures = find_sources(paths, box, boxes)
    predictor = load_predictor(model, adapt)
    if not predictor.wants_boxes and (boxes or box is not None):
        name = "boxes" if boxes else "box"
        raise InputError(f"{name} is given, but {model} finds people by itself")
    folder = pathlib.Path(out)
    work = _Work(folder, PoseDocument(predictor.skeleton, _THRESHOLD), sources)
    for failure in failures:
        work.fail(failure)
    stopped = False
    try:
        for picture, people in predictor.stream(work.pictures()):
            with _undisturbed():
                work.finish(picture, people)
    except KeyboardInterrupt:
        stopped = True
    finally:
        with contextlib.suppress(KeyboardInterrupt), _undisturbed():
            work.close()
    if stopped:
        print(f"interrupted: {work.summary()}", file=sys.stderr)
        sys.exit(130)
    if work.failures:
        if work.document.images:
            print(work.summary(), flush=True)
        raise InputError(work.failure())
    print(work.summary(), flush=True)


@dataclasses.dataclass(frozen=True)
class _Origin:
    source: PictureSource
    frame: VideoFrame | None


class _Work:
    """What has been done, what is to be done, and what could not."""

    def __init__(
        self,
        folder: pathlib.Path,
        document: PoseDocument,
        sources: Sequence[PictureSource],
    ):
        self.document = document
        self.failures: list[str] = []
        self._folder = folder
        self._sources = sources
        counts = [s.reader.announced if s.reader else 1 for s in sources]
        self._total = sum(counts) if all(counts) else 0
        self._progress = Progress(self._total)
        self._writer: VideoWriter | None = None
        self._writing: PictureSource | None = None
        self._unwritable: set[str] = set()
        self._doubted = False

    def pictures(self) -> Iterator[Picture[_Origin]]:
        for source in self._sources:
            try:
                for image, frame in source.pictures():
                    boxes = source.boxes_of(frame)
                    if boxes is not None:
                        boxes = self._usable(boxes, source, frame, image.shape)
                        if boxes is None:
                            continue
                    yield Picture(image, boxes, _Origin(source, frame))
            except InputError as error:
                self.fail(str(error))

    def finish(self, picture: Picture[_Origin], people: People) -> None:
        """Draws and writes a picture and its people.

        Raises:
            InputError: the folder cannot be written to, so that nothing can be kept.
        """
        if not self.document.images:
            usable_folder(self._folder)
        source, frame = picture.origin.source, picture.origin.frame
        drawn = draw_skeleton(
            picture.image,
            people.poses,
            self.document.skeleton,
            _THRESHOLD,
            faint=_FAINT,
        )
        self._write(source, frame, drawn)
        height, width = picture.image.shape[:2]
        record = {"file_name": str(source.path), "height": height, "width": width}
        if frame is not None:
            record |= {
                "frame_index": frame.index,
                "seconds": round(frame.seconds, 4),
            }
        self.document.add(record, people)
        self._progress.report(self.document.images, str(source.path))

    def _write(
        self, source: PictureSource, frame: VideoFrame | None, drawn: np.ndarray
    ) -> None:
        """Writes what was drawn; if that fails, the poses are there all the same."""
        if source.name in self._unwritable:
            return
        try:
            if frame is None:
                write_picture(self._folder / f"{source.name}_pose.png", drawn)
            else:
                self._video_of(source).write(drawn)
        except InputError as error:
            self._unwritable.add(source.name)
            self.fail(str(error), "not written")

    def close(self) -> None:
        """Makes files of all that has been done."""
        self._progress.clear()
        try:
            # The poses first: they are what may have taken long.
            if self.document.images:
                self.document.write(self._folder / "poses.json")
        finally:
            self.document.close()
            self._close_video()

    def summary(self) -> str:
        done = self.document
        total = max(self._total, done.images)
        return (
            f"{done.images}/{total} pictures, {done.people} people; in {self._folder}"
        )

    def failure(self) -> str:
        if len(self.failures) == 1:
            return self.failures[0]
        return f"{len(self.failures)} photos, videos or boxes were not used or written"

    def _video_of(self, source: PictureSource) -> VideoWriter:
        if self._writer is None or self._writing is not source:
            self._close_video()
            assert source.reader is not None
            target = self._folder / f"{source.name}_pose.mp4"
            self._writer = VideoWriter(target, source.reader.fps)
            self._writing = source
        return self._writer

    def _close_video(self) -> None:
        writer, self._writer = self._writer, None
        try:
            if writer is not None:
                writer.close()
        except (InputError, OSError) as error:
            self.fail(str(error), "not written")

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
        where = str(source.path)
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
