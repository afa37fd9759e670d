"""The report counts by reason, names records, and fits in a line."""

import json

from data_pipelines.readers.skip_report import SkipReport


def test_summary_and_file(tmp_path):
    report = SkipReport("train.json", used={"images": 2, "people": 3})
    assert report.summary() == "train.json: 2 images, 3 people used"
    assert report.example() == ""
    report.skip("image", 4, "d.jpg", "image file is absent", "/data/d.jpg")
    report.skip("annotation", 5, "d.jpg", "its image file is absent")
    report.skip("annotation", 6, "d.jpg", "its image file is absent")
    report.note("bbox clipped to its image", 2)
    report.note("area absent (NaN)", 0)
    assert report.summary() == (
        "train.json: 2 images, 3 people used; 3 records skipped (2 x annotation: its "
        "image file is absent, 1 x image: image file is absent); "
        "2 x bbox clipped to its image"
    )
    assert report.example() == (
        "; first: image 4 d.jpg: image file is absent (/data/d.jpg)"
    )
    report.write(tmp_path / "skipped.json")
    written = json.loads((tmp_path / "skipped.json").read_text())
    assert written["counts"] == report.counts()
    assert [entry["id"] for entry in written["skipped"]] == [4, 5, 6]
    assert [path.name for path in tmp_path.iterdir()] == ["skipped.json"]
