"""The pictures, videos and files of poses that `predict` writes."""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence

import numpy as np

from data_pipelines.video import VideoFrame, VideoReader
from data_pipelines.video_writer import VideoWriter
from tfpose.cli.picture_sources import PictureSource
from tfpose.cli.pose_document import PoseDocument
from tfpose.drawing import draw_numbers, draw_skeleton
from tfpose.errors import InputError
from tfpose.files import usable_folder, write_picture
from tfpose.predictors import People, Picture, absent_threshold
from tfpose.tracking import Tracker

__all__ = ["Origin", "PredictionFiles"]


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where a picture comes from: a source, and the frame of a video."""

    source: PictureSource
    frame: VideoFrame | None


class PredictionFiles:
    """Takes pictures with their people, one after the other, and writes files."""

    def __init__(
        self,
        folder: pathlib.Path,
        document: PoseDocument,
        smooth: bool,
        formats: Sequence[str],
        fail: Callable[[str, str], None],
    ):
        """
        Args:
            folder: made if need be.
            document: collects the poses.
            smooth: whether people of videos move smoothly.
            formats: names of `FORMATS`; of 2D poses there is a table alone.
            fail: is called for each file that cannot be written, or not whole, with a
                line and "not written". The others are written all the same.
        """
        self.folder = folder
        self.document = document
        self._smooth = smooth
        self._faint = absent_threshold(document.threshold)
        self._formats = formats
        self._fail = fail
        self._source: PictureSource | None = None
        self._tracker: Tracker | None = None
        self._writer: VideoWriter | None = None

    def add(self, picture: Picture[Origin], people: People) -> np.ndarray:
        """Writes a picture and its people, and returns it as drawn.

        Raises:
            InputError: the folder cannot be written to, so that nothing can be kept.
        """
        if not self.document.images:
            usable_folder(self.folder)
        source, frame = picture.origin.source, picture.origin.frame
        height, width = picture.image.shape[:2]
        record = {"file_name": source.path, "height": height, "width": width}
        numbers = None
        if frame is not None:
            if source is not self._source:
                self._begin(source)
            assert self._tracker is not None
            people, numbers = self._tracker.update(people, frame.seconds)
            record |= {"frame_index": frame.index, "seconds": round(frame.seconds, 4)}
        self.document.add(record, people, numbers)
        drawn = draw_skeleton(
            picture.image,
            people.poses,
            self.document.skeleton,
            self.document.threshold,
            faint=self._faint,
        )
        if numbers is not None:
            drawn = draw_numbers(drawn, people.poses, numbers, self._faint)
        try:
            if frame is None:
                write_picture(self.folder / f"{source.name}_pose.png", drawn)
            elif self._writer is not None:
                self._writer.write(drawn, frame.seconds)
        except InputError as error:
            self._writer = None
            self._fail(str(error), "not written")
        return drawn

    def close(self) -> None:
        """Finishes all files.

        Raises:
            InputError: the poses cannot be written.
        """
        try:
            # The poses first: they are what may have taken long.
            if self.document.images:
                self.document.write(self.folder / "poses.json")
                if "csv" in self._formats:
                    self._write_table()
        finally:
            self.document.close()
            self._end()

    def _begin(self, source: PictureSource) -> None:
        self._end()
        assert source.reader is not None
        self._source = source
        self._tracker = Tracker(
            self.document.skeleton, smooth=self._smooth, threshold=self._faint
        )
        sound_of = None
        if isinstance(source.reader, VideoReader) and not source.live:
            # A stream cannot be read twice.
            sound_of = source.reader.address
        self._writer = VideoWriter(
            self.folder / f"{source.name}_pose.mp4",
            source.reader.fps,
            sound_of,
        )

    def _write_table(self) -> None:
        try:
            self.document.write_table(self.folder / "poses.csv")
        except InputError as error:
            self._fail(str(error), "not written")

    def _end(self) -> None:
        """Finishes the video that is being written."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        try:
            writer.close()
        except InputError as error:
            self._fail(str(error), "not written")
        if writer.without_sound:
            self._fail(f"{writer.path}: {writer.without_sound}", "not written")
