"""The commands of `python -m tfpose` and their arguments.

Each imports its module when it runs, so that `--help` need not wait for TensorFlow.
"""

import argparse
from collections.abc import Sequence

from data_pipelines.readers.datasets import DATASETS, SPLITS
from tfpose.adapters import adaptation_names, parse_adaptation
from tfpose.cli.adapt_option import add_adapt, check_adapt
from tfpose.cli.formats import FORMATS, parse_formats
from tfpose.cli.lifting_commands import add_analyse_adaptation, add_evaluate_3d
from tfpose.command_line import run_command
from tfpose.errors import InputError
from tfpose.files import new_folder
from tfpose.quiet_keras import import_keras

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command; exit code 2 and one line for bad input, 130 after Ctrl-C."""
    run_command(_parser(), lambda chosen: chosen.run(chosen), arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tfpose")
    commands = parser.add_subparsers(dest="command", required=True)

    _add_predict(commands)
    _add_evaluate(commands)
    add_evaluate_3d(commands)
    _add_analyse(commands)
    _add_upper_bound(commands)
    add_analyse_adaptation(commands)

    command = commands.add_parser(
        "keypoint_priors", help="where in the box each joint lies, in a grid"
    )
    command.add_argument("annotations", help="a COCO-format JSON file")
    command.add_argument(
        "--out", default="keypoint_priors", help="folder for the results"
    )
    command.add_argument("--grid", type=int, default=3, help="cells a side")
    command.add_argument(
        "--skeleton", default="", help="the joints, where the file does not name them"
    )
    command.set_defaults(run=_keypoint_priors)

    command = commands.add_parser("presets", help="the published nets by name")
    command.add_argument("part", nargs="?", default="", help="of the names to list")
    command.set_defaults(run=_presets)

    _add_import_weights(commands)
    _add_calibrate(commands)

    command = commands.add_parser("page", help="runs and pictures on one web page")
    command.add_argument("folders", nargs="+", help="finished runs, or folders of PNGs")
    command.add_argument("--out", default="page.html", help="the page")
    command.set_defaults(run=_page)
    return parser


def _add_predict(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser(
        "predict", help="find people's keypoints in photos and videos, and in 3D"
    )
    add = command.add_argument
    add(
        "paths",
        nargs="+",
        help="photos, videos, or folders of them; addresses of videos; numbers of "
        "cameras; to lift, also JSON of 2D poses",
    )
    add(
        "--model",
        default="",
        help="a .keras pose net: a file, an address, or a name that `presets` lists; "
        "default: a small one inside",
    )
    add("--out", default="poses", help="folder for the results; else poses2, poses3...")
    told = "; ".join(f"{name}: {text}" for name, text in FORMATS.items())
    add("--format", default="", help=f"files beside JSON, by commas. {told}")
    add("--no_smooth", action="store_true", help="videos: each frame's pose as it is")
    add("--no_show", action="store_true", help="cameras and streams: no window")
    add("--boxes", default="", help="JSON file of people's boxes")
    add("--box", help="x,y,w,h of the person in pixels; default: the whole picture")
    add("--lift", default="", help="a .keras lifter: 3D poses, too")
    add("--skeleton", default="", help="joints of the JSON file, if it names none")
    add("--image_size", default="", help="height,width, if the JSON file has none")
    add_adapt(command, [*adaptation_names(False), *adaptation_names(True)])
    command.set_defaults(run=_predict)


def _predict(chosen: argparse.Namespace) -> None:
    documents = [path for path in chosen.paths if path.lower().endswith(".json")]
    if documents and (not chosen.lift or len(chosen.paths) > 1):
        raise InputError(
            f"{documents[0]}: a file of 2D poses is to be lifted: expected it alone, "
            "and --lift"
        )
    if not documents and (chosen.skeleton or chosen.image_size):
        raise InputError("skeleton and image_size are of a JSON file of 2D poses")
    formats = parse_formats(chosen.format, lifted=bool(chosen.lift))
    of_lifters = False
    if chosen.adapt:
        adaptation = parse_adaptation(chosen.adapt)
        of_lifters = adaptation.method.of_lifters
        if of_lifters and not chosen.lift:
            raise InputError(
                f"adapt: {adaptation.name} is for lifters, expected --lift"
            )
        if documents and not of_lifters:
            raise InputError(
                f"adapt: {adaptation.name} is for pose nets, expected pictures"
            )
    import_keras()
    failures = []
    if not documents:
        from tfpose.cli.predict import predict

        folder, failure = predict(
            chosen.paths,
            chosen.model,
            chosen.out,
            chosen.box,
            chosen.boxes,
            adapt="" if of_lifters else chosen.adapt,
            smooth=not chosen.no_smooth,
            show=not chosen.no_show,
            formats=formats,
        )
        documents = [str(folder / "poses.json")]
        failures += [failure] if failure else []
    else:
        folder = new_folder(chosen.out)
    if chosen.lift:
        from tfpose.cli.lift import lift

        try:
            lift(
                documents[0],
                chosen.lift,
                str(folder),
                chosen.skeleton,
                chosen.image_size,
                adapt=chosen.adapt if of_lifters else "",
                formats=formats,
            )
        except InputError as error:
            failures.append(str(error))
    if failures:
        raise InputError("; ".join(failures))


def _add_people(command: argparse.ArgumentParser) -> None:
    """Labelled people."""
    add = command.add_argument
    add("--dataset", choices=list(DATASETS), default="coco_format")
    add("--data_dir", required=True)
    add("--split", choices=SPLITS, default="val")


def _add_box_area_factor(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--box_area_factor",
        type=float,
        help="share of the box's area for people whose area is unknown (0.53)",
    )


def _add_evaluate(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser(
        "evaluate", help="PCK and OKS AP of a pose net, or of a file of poses"
    )
    poses = command.add_mutually_exclusive_group(required=True)
    poses.add_argument("--model", default="", help="a .keras pose net")
    poses.add_argument("--results", default="", help="a COCO result file of poses")
    _add_people(command)
    add = command.add_argument
    add("--detections", default="", help="COCO file of a detector's boxes; else true")
    add("--box_threshold", type=float, default=0.0, help="least score of such a box")
    add("--flip_test", dest="flip_test", action="store_true", default=True)
    add("--no_flip_test", dest="flip_test", action="store_false")
    add("--flip_shift", type=int, help="cells, 0 or 1; default: the model's own")
    add("--decoder", help="argmax, quarter, msra, dark, udp; default: the model's own")
    add(
        "--alignment",
        help="half_pixel, official, tokenpose, udp; default: the model's own",
    )
    add("--level", help="none, partial, full, of nets without boxes; default: full")
    add("--short_side", type=int, help="pixels, of such nets; default: the model's own")
    add("--pose_scorer", help="a .keras pose scorer that rescores such nets' poses")
    add("--no_rescore", action="store_true", help="rank poses by their box's score")
    add("--nms_threshold", type=float, default=0.9, help="OKS; 1 suppresses no pose")
    _add_box_area_factor(command)
    add("--out", default="", help="JSON file for metrics, protocol and notes")
    add("--write_results", default="", help="COCO result file for the poses")
    add_adapt(command, adaptation_names(of_lifters=False))
    command.set_defaults(run=_evaluate)


def _evaluate(chosen: argparse.Namespace) -> None:
    check_adapt(chosen.adapt, of_lifters=False)
    import_keras()
    from tfpose.cli.evaluate import Protocol, evaluate

    protocol = Protocol(
        detections=chosen.detections,
        box_threshold=chosen.box_threshold,
        flip_test=chosen.flip_test,
        flip_shift=chosen.flip_shift,
        decoder=chosen.decoder,
        alignment=chosen.alignment,
        level=chosen.level,
        short_side=chosen.short_side,
        pose_scorer=chosen.pose_scorer,
        rescore=not chosen.no_rescore,
        nms_threshold=chosen.nms_threshold,
        box_area_factor=chosen.box_area_factor,
        adapt=chosen.adapt,
    )
    evaluate(
        chosen.dataset,
        chosen.data_dir,
        chosen.split,
        protocol,
        model=chosen.model,
        results=chosen.results,
        out=chosen.out,
        write=chosen.write_results,
    )


def _add_analyse(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser(
        "analyse", help="AP at each OKS and kinds of error of files of poses"
    )
    add = command.add_argument
    add("results", nargs="+", help="COCO result files of poses, side by side")
    _add_people(command)
    add("--out", default="analysis", help="folder for analysis.json and figures")
    _add_box_area_factor(command)
    command.set_defaults(run=_analyse)


def _analyse(chosen: argparse.Namespace) -> None:
    import_keras()
    from tfpose.cli.analyse import analyse

    analyse(
        chosen.results,
        chosen.dataset,
        chosen.data_dir,
        chosen.split,
        chosen.out,
        chosen.box_area_factor,
    )


def _add_upper_bound(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser(
        "upper_bound", help="what LOGO-CAP's adaptation gains, and could at most"
    )
    add = command.add_argument
    add("--model", required=True, help="a .keras net of trainers.logocap")
    _add_people(command)
    add("--no_flip_test", dest="flip_test", action="store_false")
    add("--short_side", type=int, help="pixels; default: the model's own")
    _add_box_area_factor(command)
    add("--out", default="", help="JSON file for the numbers")
    command.set_defaults(run=_upper_bound)


def _upper_bound(chosen: argparse.Namespace) -> None:
    import_keras()
    from tfpose.cli.upper_bound import upper_bound

    upper_bound(
        chosen.model,
        chosen.dataset,
        chosen.data_dir,
        chosen.split,
        chosen.flip_test,
        chosen.short_side,
        chosen.box_area_factor,
        chosen.out,
    )


def _keypoint_priors(chosen: argparse.Namespace) -> None:
    from tfpose.cli.keypoint_priors import keypoint_priors

    keypoint_priors(chosen.annotations, chosen.out, chosen.grid, chosen.skeleton)


def _presets(chosen: argparse.Namespace) -> None:
    import_keras()
    from tfpose.cli.presets import presets

    presets(chosen.part)


def _add_import_weights(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser(
        "import_weights", help="a .keras file of published PyTorch weights"
    )
    command.add_argument("checkpoint", help="a .pth file; nothing in it is run")
    command.add_argument("--preset", required=True, help="the net, see `presets`")
    command.add_argument("--out", default="", help="default: the preset's name.keras")
    command.add_argument(
        "--channel_order", default="auto", help="auto, rgb or bgr: what the weights saw"
    )
    command.add_argument(
        "--protocol",
        default="auto",
        help="auto, preset, mmpose, mmpose_dark or mmpose_udp: how they are used",
    )
    command.set_defaults(run=_import_weights)


def _import_weights(chosen: argparse.Namespace) -> None:
    import_keras()
    from tfpose.cli.import_weights import import_weights

    import_weights(
        chosen.checkpoint,
        chosen.preset,
        chosen.out,
        chosen.channel_order,
        chosen.protocol,
    )


def _add_calibrate(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser(
        "calibrate", help="what a pose net's scores mean, on people it has not seen"
    )
    add = command.add_argument
    add("--model", default="", help="a .keras pose net; default: the one inside")
    _add_people(command)
    add("--out", default="calibrated", help="folder for the net and the report")
    command.set_defaults(run=_calibrate)


def _calibrate(chosen: argparse.Namespace) -> None:
    import_keras()
    from tfpose.cli.calibrate import calibrate

    calibrate(chosen.model, chosen.dataset, chosen.data_dir, chosen.split, chosen.out)


def _page(chosen: argparse.Namespace) -> None:
    from tfpose.cli.page import page

    page(chosen.folders, chosen.out)
