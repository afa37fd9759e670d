"""What a reader could not use: counted by reason, named record by record."""

import json
import os
import pathlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tfpose.files import write_whole

__all__ = ["SkipReport"]


@dataclass
class SkipReport:
    """Records left out of a dataset, and how others were completed.

    Attributes:
        source: str. The file that was read.
        skipped: list of {"record", "id", "file", "reason"}; `record` is "image",
            "annotation", "folder", or "segmentation" where the person stays and only
            that is left out. `reason` is one of a few fixed texts; "detail" may say
            what was found.
        notes: how often a used record was completed or corrected, by text.
        used: numbers of used records, as {"images": ..., "people": ...}.
    """

    source: str
    skipped: list[dict] = field(default_factory=list)
    notes: Counter = field(default_factory=Counter)
    used: dict[str, int] = field(default_factory=dict)

    def skip(
        self, record: str, record_id: Any, file: str, reason: str, detail: str = ""
    ) -> None:
        """Adds one record that is not used."""
        entry = {"record": record, "id": record_id, "file": file, "reason": reason}
        if detail:
            entry["detail"] = detail
        self.skipped.append(entry)

    def note(self, text: str, count: int = 1) -> None:
        """Counts used records that needed a correction."""
        if count:
            self.notes[text] += int(count)

    def counts(self) -> dict[str, int]:
        """Skipped records by "record: reason", most frequent first."""
        counter = Counter(f"{e['record']}: {e['reason']}" for e in self.skipped)
        return dict(counter.most_common())

    def summary(self) -> str:
        """One line for the terminal."""
        used = ", ".join(f"{count} {what}" for what, count in self.used.items())
        text = f"{self.source}: {used or 'nothing'} used"
        if self.skipped:
            reasons = ", ".join(f"{n} x {what}" for what, n in self.counts().items())
            text += f"; {len(self.skipped)} records skipped ({reasons})"
        if self.notes:
            text += "; " + ", ".join(f"{n} x {what}" for what, n in self.notes.items())
        return text

    def example(self) -> str:
        """The first skipped record, to follow a summary; empty if there is none."""
        if not self.skipped:
            return ""
        entry = self.skipped[0]
        what = f"; first: {entry['record']} {entry['id']} {entry['file']}".rstrip()
        detail = f" ({entry['detail']})" if "detail" in entry else ""
        return f"{what}: {entry['reason']}{detail}"

    def to_dict(self) -> dict:
        return {
            "source": self.source,
            "used": self.used,
            "counts": self.counts(),
            "notes": dict(self.notes),
            "skipped": self.skipped,
        }

    def write(self, path: str | os.PathLike) -> None:
        """Writes the report as JSON, aside and renamed."""
        text = json.dumps(self.to_dict(), indent=1, ensure_ascii=False) + "\n"
        data = text.encode("utf-8", errors="backslashreplace")
        write_whole(pathlib.Path(path), lambda aside: aside.write_bytes(data))
