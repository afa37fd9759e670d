"""The originals' own code and ours on the same heatmaps and boxes.

Needs their checkouts (TFPOSE_PEERS: hrnet, simple_baseline, tokenpose, mmpose) and
PyTorch; skipped otherwise.
"""

import contextlib
import io
import json
import types

import numpy as np
import pytest

from data_pipelines.images import decode_image
from tests.peers import import_alone, peer_folder
from tfpose.codecs.flip import merge, unflip_heatmaps
from tfpose.codecs.heatmap import HeatmapCodec
from tfpose.metrics.nms import oks_nms
from tfpose.metrics.oks import (
    PosePredictions,
    PoseTruth,
    oks_average_precision,
    rescore,
)
from tfpose.metrics.results_file import read_results
from tfpose.skeletons import get_skeleton
from tfpose.top_down.crop import (
    box_regions,
    invert_matrices,
    region_matrices,
    transform_points,
    warp,
)

COCO17 = get_skeleton("coco17")
BOXES = np.array(
    [[40.3, 30.2, 100.7, 160.9], [300, 5, 260.5, 90], [1.5, 2.5, 638, 424]]
)
TOLERANCE = 1e-3
SIZES = {2.0: (256, 192), 3.0: (384, 288)}


def heatmaps_of(size: tuple[int, int], joints: int = 200, seed: int = 0) -> np.ndarray:
    """Noisy peaks all over the map and at its edges, `[B, h, w, J]`, B boxes."""
    rng = np.random.default_rng(seed)
    rows, columns = size[0] // 4, size[1] // 4
    y, x = np.mgrid[:rows, :columns]
    shape = (len(BOXES), joints)
    px, py = rng.uniform(-1, columns, shape), rng.uniform(-1, rows, shape)
    edges = rng.random(shape) < 0.2
    px = np.where(edges, rng.choice([0, 1, 2, columns - 3, columns - 2], shape), px)
    square = (x[None, :, :, None] - px[:, None, None]) ** 2
    square = square + (y[None, :, :, None] - py[:, None, None]) ** 2
    sigma, height = rng.uniform(1.5, 3.5, shape), rng.uniform(0.05, 1, shape)
    maps = height[:, None, None] * np.exp(-square / (2 * sigma[:, None, None] ** 2))
    maps += rng.normal(0, 0.004, maps.shape)
    maps[..., :3] = -np.abs(maps[..., :3])
    return maps.astype(np.float32)


def ours(
    heatmaps: np.ndarray,
    size: tuple[int, int],
    alignment: str,
    decoder: str,
    sigma: float,
    blur_kernel: int | None = None,
) -> np.ndarray:
    """Keypoints `[B, J, 2]` in the photo."""
    codec = HeatmapCodec(size, 4, sigma, alignment, blur_kernel=blur_kernel)
    points = np.asarray(codec.decode(heatmaps, decoder)[0])
    regions = box_regions(BOXES, size, alignment=alignment)
    matrices = region_matrices(*regions, size, alignment=alignment)
    return transform_points(invert_matrices(matrices), points)


def channels_first(heatmaps: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(heatmaps.transpose(0, 3, 1, 2))


@contextlib.contextmanager
def microsoft(name: str, size: tuple[int, int] = (256, 192)):
    """Inference, transforms, NMS and a COCO data set without files, of one of them."""
    absent = {
        "nms.cpu_nms": {"cpu_nms": None},
        "nms.gpu_nms": {"gpu_nms": None},
    }
    names = ["core.inference", "utils.transforms", "dataset.coco", "nms.nms"]
    with import_alone(peer_folder(name) / "lib", names, absent) as modules:
        inference, transforms, coco, nms = modules
        data = object.__new__(coco.COCODataset)
        data.aspect_ratio, data.pixel_std = size[1] / size[0], 200
        yield types.SimpleNamespace(
            inference=inference, transforms=transforms, data=data, nms=nms
        )


def config(kernel: int = 11) -> types.SimpleNamespace:
    return types.SimpleNamespace(
        TEST=types.SimpleNamespace(POST_PROCESS=True, BLUR_KERNEL=kernel), RANK=0
    )


def microsoft_keypoints(name: str, heatmaps, size, kernel: int = 11) -> np.ndarray:
    with microsoft(name, size) as peer:
        centres, scales = zip(*(peer.data._box2cs(box) for box in BOXES), strict=True)
        return peer.inference.get_final_preds(
            config(kernel), channels_first(heatmaps), centres, scales
        )[0]


@contextlib.contextmanager
def mmpose():
    """Codecs, boxes and flips of MMPose without its registry and engine."""
    registry = types.SimpleNamespace(register_module=lambda: lambda kind: kind)
    absent = {
        "mmpose.registry": {"KEYPOINT_CODECS": registry},
        "mmpose": {},
        "mmengine": {},
        "mmengine.utils": {"is_method_overridden": lambda *_: True},
    }
    names = [
        *("codecs.udp_heatmap", "codecs.msra_heatmap"),
        *("structures.bbox.transforms", "models.utils.tta"),
    ]
    folder = peer_folder("mmpose") / "mmpose"
    with import_alone(folder, names, absent) as (udp, msra, boxes, tta):
        yield types.SimpleNamespace(
            UDPHeatmap=udp.UDPHeatmap,
            MSRAHeatmap=msra.MSRAHeatmap,
            boxes=boxes,
            tta=tta,
        )


def mmpose_regions(peer, size) -> tuple[np.ndarray, np.ndarray]:
    centres, scales = peer.boxes.bbox_xywh2cs(BOXES.astype(np.float32), padding=1.25)
    aspect, (w, h) = size[1] / size[0], np.hsplit(scales, [1])
    wide = w > h * aspect
    return centres, np.where(
        wide, np.hstack([w, w / aspect]), np.hstack([h * aspect, h])
    )


def mmpose_keypoints(kind: str, heatmaps, size, sigma, kernel) -> np.ndarray:
    with mmpose() as peer:
        shape = {
            "input_size": (size[1], size[0]),
            "heatmap_size": (size[1] // 4, size[0] // 4),
            "sigma": sigma,
            "blur_kernel_size": kernel,
        }
        if kind == "udp":
            codec = peer.UDPHeatmap(**shape)
        else:
            codec = peer.MSRAHeatmap(**shape, unbiased=kind == "dark")
        centres, scales = mmpose_regions(peer, size)
        found = []
        for maps, centre, scale in zip(
            channels_first(heatmaps), centres, scales, strict=True
        ):
            points = codec.decode(maps)[0][0]
            found.append(points / shape["input_size"] * scale + centre - 0.5 * scale)
        return np.array(found)


CASES = [
    # Original, heatmaps' sigma, kernel, then ours: alignment, decoder, kernel.
    ("hrnet", 2.0, 11, "official", "quarter", None),
    ("hrnet", 3.0, 17, "official", "quarter", None),
    ("simple_baseline", 2.0, 11, "official", "quarter", None),
    ("tokenpose", 2.0, 11, "tokenpose", "dark", None),
    ("tokenpose", 3.0, 17, "tokenpose", "dark", None),
    ("tokenpose", 3.0, 11, "tokenpose", "dark", 11),
    ("mmpose msra", 2.0, 11, "official", "msra", None),
    ("mmpose dark", 2.0, 11, "official", "dark", None),
    ("mmpose dark", 3.0, 17, "official", "dark", None),
    ("mmpose udp", 2.0, 11, "udp", "udp", None),
    ("mmpose udp", 3.0, 17, "udp", "udp", None),
]


def difference(original, sigma, kernel, alignment, decoder, blur) -> tuple[float, int]:
    """Largest distance in the photo, px, and how many keypoints were compared."""
    size = SIZES[sigma]
    heatmaps = heatmaps_of(size)
    if original.startswith("mmpose"):
        kind = original.split()[1]
        expected = mmpose_keypoints(kind, heatmaps, size, sigma, kernel)
    else:
        expected = microsoft_keypoints(original, heatmaps, size, kernel)
    found = ours(heatmaps, size, alignment, decoder, sigma, blur)
    if original in ("mmpose dark", "mmpose udp"):
        # Where there is no peak the first says cell (-1, -1) and DarkPose (0, 0); the
        # second looks around (-1, -1), which for the first joint is beyond the array.
        empty = heatmaps.max(axis=(1, 2)) <= 0
        expected, found = expected[~empty], found[~empty]
    distance = np.linalg.norm(found - expected, axis=-1)
    return float(distance.max()), distance.size


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} {case[2]}")
def test_keypoints_of_the_same_heatmaps(case):
    assert difference(*case)[0] < TOLERANCE


def matrix_difference(original: str, size: tuple[int, int], angle: float) -> float:
    """Largest distance in the input, px, of photo points under the two maps."""
    alignment = {"mmpose udp": "udp", "tokenpose": "tokenpose"}.get(
        original, "official"
    )
    output = (size[1], size[0])
    if original.startswith("mmpose"):
        with mmpose() as peer:
            centres, scales = mmpose_regions(peer, size)
            make = (
                peer.boxes.get_udp_warp_matrix
                if original == "mmpose udp"
                else peer.boxes.get_warp_matrix
            )
            pairs = zip(centres, scales, strict=True)
            theirs = [make(c, s, angle, output_size=output) for c, s in pairs]
    else:
        with microsoft(original, size) as peer:
            regions = [peer.data._box2cs(box) for box in BOXES]
            theirs = [
                peer.transforms.get_affine_transform(c, s, angle, np.array(output))
                for c, s in regions
            ]
    regions = box_regions(BOXES, size, alignment=alignment)
    turn = angle if original == "mmpose udp" else -angle
    mine = region_matrices(*regions, size, turn, alignment)
    points = np.array([[0, 0], [639, 0], [0, 479], [639, 479], [320, 240]])
    moved = transform_points(np.array(theirs, np.float64), points)
    return float(np.abs(moved - transform_points(mine, points)).max())


@pytest.mark.parametrize("angle", [0.0, 33.0])
@pytest.mark.parametrize("size", SIZES.values())
@pytest.mark.parametrize(
    "original", ["hrnet", "simple_baseline", "tokenpose", "mmpose", "mmpose udp"]
)
def test_crops_are_of_the_same_maps(original, size, angle):
    assert matrix_difference(original, size, angle) < TOLERANCE


def crop_difference(original: str, photo: np.ndarray) -> tuple[float, int]:
    """Share of pixel values that differ, and by how much at most, of 0..255."""
    size, alignment = (256, 192), "tokenpose" if original == "tokenpose" else "official"
    with microsoft(original, size) as peer:
        regions = [peer.data._box2cs(box) for box in BOXES]
        theirs = [peer.transforms.crop(photo, c, s, size[::-1]) for c, s in regions]
    regions = box_regions(BOXES, size, alignment=alignment)
    matrices = region_matrices(*regions, size, alignment=alignment)
    mine = [warp(photo, matrix, size, antialias=False) for matrix in matrices]
    off = np.abs(np.array(mine, int) - np.array(theirs, int))
    return float((off > 0).mean()), int(off.max())


@pytest.mark.parametrize("original", ["hrnet", "simple_baseline", "tokenpose"])
def test_crops_have_the_same_pixels(shared_data, original):
    path = shared_data / "formats" / "coco" / "000000000785.jpg"
    share, most = crop_difference(original, decode_image(path.read_bytes()))
    # OpenCV looks at 32nds of a pixel, and float32 may fall to the other side.
    assert share < 1e-3 and most <= 2


def flip_difference(original: str, shift: int) -> float:
    rng = np.random.default_rng(1)
    direct, mirrored = rng.random((2, 2, 64, 48, 17)).astype(np.float32)
    found = np.asarray(merge(direct, unflip_heatmaps(mirrored, COCO17, shift)))
    theirs = channels_first(mirrored)
    if original == "mmpose":
        torch = pytest.importorskip("torch")
        with mmpose() as peer:
            theirs = peer.tta.flip_heatmaps(
                torch.from_numpy(theirs),
                flip_indices=list(COCO17.flip_permutation),
                shift_heatmap=bool(shift),
            ).numpy()
    else:
        with microsoft(original) as peer:
            pairs = COCO17.flip_pairs
            theirs = peer.transforms.flip_back(theirs, pairs).copy()
        if shift:
            # As core.function.validate has it in the middle of its loop.
            theirs[:, :, :, 1:] = theirs.copy()[:, :, :, 0:-1]
    expected = (channels_first(direct) + theirs) * 0.5
    return float(np.abs(channels_first(found) - expected).max())


@pytest.mark.parametrize("shift", [0, 1])
@pytest.mark.parametrize("original", ["hrnet", "tokenpose", "mmpose"])
def test_flip_test_with_and_without_shift(original, shift):
    assert flip_difference(original, shift) < 1e-6


def labels_and_boxes(shared_data, which: str):
    """A COCO document, and boxes with scores: of a detector, or made from labels."""
    if which == "detector":
        folder = shared_data / "formats" / "coco"
        document = json.loads((folder / "test_coco.json").read_text())
        found = json.loads((folder / "test_coco_det_AP_H_56.json").read_text())
        boxes = np.array([record["bbox"] for record in found])
        ids = np.array([record["image_id"] for record in found])
        return document, ids, boxes, np.array([record["score"] for record in found])
    document = json.loads((shared_data / "coco" / "train.json").read_text())
    rng = np.random.default_rng(2)
    people = [a for a in document["annotations"] if not a["iscrowd"]] * 3
    boxes = np.array([a["bbox"] for a in people], float)
    jitter = rng.normal(0, 0.08, boxes.shape) * boxes[:, [2, 3, 2, 3]]
    boxes = np.maximum(boxes + jitter, [-9, -9, 3, 3])
    ids = np.array([a["image_id"] for a in people])
    return document, ids, boxes, rng.uniform(0.05, 1, len(boxes))


def drawn_heatmaps(document, ids, boxes, size, alignment, seed=3):
    """What a net might answer: the labelled pose with most in the box, off a little."""
    rng = np.random.default_rng(seed)
    rows, columns = size[0] // 4, size[1] // 4
    regions = box_regions(boxes, size, alignment=alignment)
    matrices = region_matrices(*regions, size, alignment=alignment)
    codec = HeatmapCodec(size, alignment=alignment)
    maps = np.zeros((len(ids), rows, columns, 17), np.float32)
    for row, (image_id, box) in enumerate(zip(ids, boxes, strict=True)):
        poses = [
            np.reshape(a["keypoints"], (17, 3)).astype(float)
            for a in document["annotations"]
            if a["image_id"] == image_id and a["num_keypoints"]
        ]
        if not poses:
            continue
        low, high = box[:2], box[:2] + box[2:]
        counts = [
            ((p[:, :2] > low) & (p[:, :2] < high)).all(1)[p[:, 2] > 0].sum()
            for p in poses
        ]
        pose = poses[int(np.argmax(counts))]
        points = transform_points(matrices[row], pose[:, :2])
        cells = codec.to_cells(points) + rng.normal(0, rng.uniform(0.1, 2.5), (17, 2))
        y, x = np.mgrid[:rows, :columns]
        square = (x[..., None] - cells[:, 0]) ** 2 + (y[..., None] - cells[:, 1]) ** 2
        heights = rng.uniform(0.1, 1, 17) * np.where(pose[:, 2] > 0, 1, 0.2)
        maps[row] = heights * np.exp(-square / 8)
    return maps + rng.normal(0, 0.003, maps.shape).astype(np.float32)


def their_figures(peer, document, ids, heatmaps, boxes, scores, folder):
    """HRNet's evaluation from heatmaps to metrics; leaves its result file behind."""
    from pycocotools.coco import COCO

    regions = [peer.data._box2cs(box) for box in boxes]
    centres, scales = (np.array(part) for part in zip(*regions, strict=True))
    found, heights = peer.inference.get_final_preds(
        config(), channels_first(heatmaps), centres, scales
    )
    poses = np.zeros((len(ids), 17, 3), np.float32)
    poses[..., :2], poses[..., 2:] = found, heights
    table = np.zeros((len(ids), 6))
    table[:, :2], table[:, 2:4] = centres, scales
    table[:, 4], table[:, 5] = np.prod(scales * 200, 1), scores
    data = peer.data
    data.coco = COCO()
    data.coco.dataset = document
    data.coco.createIndex()
    data.classes = ["__background__", "person"]
    data._class_to_coco_ind = {"person": 1}
    data.num_joints, data.image_set, data.soft_nms = 17, "val2017", False
    data.in_vis_thre, data.oks_thre = 0.2, 0.9
    names = [f"{image_id:012d}.jpg" for image_id in ids]
    values, _ = data.evaluate(config(), poses, str(folder), table, names, [], [])
    return dict(values)


def our_figures(document, ids, heatmaps, boxes, scores, size, alignment, decoder):
    codec = HeatmapCodec(size, alignment=alignment)
    regions = box_regions(boxes, size, alignment=alignment)
    back = invert_matrices(region_matrices(*regions, size, alignment=alignment))
    points, heights = map(np.asarray, codec.decode(heatmaps, decoder))
    poses = PosePredictions(
        ids, transform_points(back, points), heights, rescore(scores, heights)
    )
    kept = oks_nms(poses, regions[1].prod(axis=1), COCO17, 0.9)
    rows = document["annotations"]
    truth = PoseTruth(
        np.array([a["image_id"] for a in rows]),
        np.array([np.reshape(a["keypoints"], (17, 3)) for a in rows], float),
        np.array([a["area"] for a in rows], float),
        np.array([a["bbox"] for a in rows], float),
        np.array([a["iscrowd"] for a in rows], bool),
    )
    poses = PosePredictions(
        *(getattr(poses, name)[kept] for name in poses.__dataclass_fields__)
    )
    images = np.array([image["id"] for image in document["images"]])
    return oks_average_precision(truth, poses, COCO17, images), poses, truth, images


FIGURES = {
    **{"AP": "AP", "Ap .5": "AP50", "AP .75": "AP75", "AP (M)": "APM", "AP (L)": "APL"},
    **{"AR": "AR", "AR .5": "AR50", "AR .75": "AR75", "AR (M)": "ARM", "AR (L)": "ARL"},
}


def compare_figures(shared_data, folder, name: str, which: str):
    """Their metrics, ours on the same heatmaps, ours on their result file, poses."""
    size = (256, 192)
    alignment, decoder = (
        ("tokenpose", "dark") if name == "tokenpose" else ("official", "quarter")
    )
    document, ids, boxes, scores = labels_and_boxes(shared_data, which)
    heatmaps = drawn_heatmaps(document, ids, boxes, size, alignment)
    with microsoft(name, size) as peer, contextlib.redirect_stdout(io.StringIO()):
        theirs = their_figures(peer, document, ids, heatmaps, boxes, scores, folder)
    mine, poses, truth, images = our_figures(
        document, ids, heatmaps, boxes, scores, size, alignment, decoder
    )
    path = next((folder / "results").glob("keypoints_*.json"))
    read = read_results(path, COCO17)
    again = oks_average_precision(truth, read, COCO17, images)
    return theirs, mine, again, (len(ids), len(poses.image_ids), len(read.image_ids))


@pytest.mark.parametrize("name", ["hrnet", "tokenpose"])
@pytest.mark.parametrize(
    "which", ["detector", pytest.param("jittered", marks=pytest.mark.slow)]
)
def test_average_precision_of_the_same_heatmaps(shared_data, tmp_path, name, which):
    theirs, mine, again, (boxes, kept, theirs_kept) = compare_figures(
        shared_data, tmp_path, name, which
    )
    assert kept == theirs_kept < boxes
    assert 0.05 < theirs["AP"] < 0.95
    for figure, value in theirs.items():
        assert mine[FIGURES[figure]] == pytest.approx(value, abs=5e-4), figure
        assert again[FIGURES[figure]] == pytest.approx(value, abs=1e-9), figure
