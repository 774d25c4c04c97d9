"""`autoreg register`."""

import sys
import warnings
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autoreg_jax.cli._options import add_fill
from autoreg_jax.cli._parser import Verb
from autoreg_jax.cli._show import show_json, show_line, show_table
from autoreg_jax.errors import ConfigError, ImageWarning

# Options that go to `inference.register` under the same names.
_OPTIONS = ("model", "init", "affine", "refine", "similarity", "smoothness", "fill")
# Label in the table of a pair, in the table of many pairs, key, format.
_NUMBERS = (
    ("Dice", "Dice", "dice", "{:.3f}"),
    ("error, mm", "error, mm", "displacement_error", "{:.2f}"),
    ("alignment", "", "score", "{:.3f}"),
    ("local correlation", "correlation", "similarity", "{:.3f}"),
    ("mean displacement, mm", "", "displacement_mean_mm", "{:.2f}"),
    ("largest displacement, mm", "", "displacement_max_mm", "{:.2f}"),
    ("folding, fraction of voxels", "folding", "folding_fraction", "{:.5f}"),
    ("inverse error, mm", "", "inverse_error_mean_mm", "{:.4f}"),
    ("seconds", "seconds", "seconds", "{:.2f}"),
)


class Register(Verb):
    """Register two images, or many pairs, on any grids.

    Without --model by optimisation alone. Writes PREFIXmoved.nii.gz (moving image
    on the grid of the fixed image), PREFIXdisplacement.nii.gz (vectors in mm along
    R, A, S on that grid), PREFIXsummary.json and, after an alignment,
    PREFIXaffine.mat (ITK), which follows the displacement in autoreg apply.

    Examples:
      autoreg register -f fixed.nii.gz -m moving.nii.gz -o out_
      autoreg register --pairs pairs.csv -o results/ --model runs/mine --refine 100
    """

    usage = "-f FIXED -m MOVING -o PREFIX [options]\n--pairs CSV -o PREFIX [options]"

    @staticmethod
    def add_options(parser: ArgumentParser) -> None:
        """Images, outputs, registration, labels and masks."""
        add = parser.add_argument_group("images").add_argument
        path: Any = {"type": Path, "metavar": "PATH"}
        add("-f", "--fixed", help="fixed image (NIfTI), or a folder of images", **path)
        add(
            "-m",
            "--moving",
            help="moving image, or a folder (two: pairs of equal names)",
            **path,
        )
        add(
            "--pairs",
            type=Path,
            metavar="CSV",
            help="many pairs: columns fixed,moving and, optional, fixed_labels, "
            "moving_labels, fixed_mask, moving_mask, init, displacement (true one)",
        )
        group = parser.add_argument_group("output")
        add = group.add_argument
        help_ = "prefix of the output files; a folder ends in /"
        add("-o", "--output", metavar="PREFIX", help=help_)
        add("--moved", help="file name of the moved image", **path)
        add(
            "--warp",
            help="one file for the whole map: .h5, .tfm, .nii.gz or .npz",
            **path,
        )
        add_fill(group)
        add(
            "--one-field",
            action="store_true",
            help="the displacement holds the alignment, too; no affine.mat",
        )
        flag: Any = {"action": "append_const", "dest": "extra", "default": []}
        help_ = "also the inverse, and the fixed image moved by it"
        add("--inverse", const="inverse", help=help_, **flag)
        help_ = "also the Jacobian determinant of the map"
        add("--jacobian", const="jacobian", help=help_, **flag)
        help_ = "also a grid deformed as the moving image is"
        add("--grid", const="grid", help=help_, **flag)
        help_ = "also a page with slider, checkerboard, contours, folds"
        add("--report", const="report", help=help_, **flag)
        add = parser.add_argument_group("registration").add_argument
        add("--model", help="trained network: a run, its model/, or brain", **path)
        add(
            "--init",
            nargs="+",
            metavar="FILE",
            help="begin with transforms, in the order of autoreg apply",
        )
        add(
            "--affine",
            choices=("auto", "rigid", "affine", "none"),
            default="auto",
            metavar="KIND",
            help="alignment before: rigid, affine, none or auto (default)",
        )
        add(
            "--affine-only",
            action="store_true",
            help="alignment only, no deformable registration",
        )
        add(
            "--refine",
            type=int,
            metavar="STEPS",
            help="steps at each resolution (default: 100, with a model 0)",
        )
        add(
            "--similarity",
            metavar="NAME",
            help="similarity to optimise: ncc (same contrast) or mind (different "
            "contrasts); default: the model's, or ncc",
        )
        add(
            "--smoothness",
            type=float,
            metavar="FACTOR",
            help="on the smoothness: 3 is smoother, 0.3 less (default: 1)",
        )
        add = parser.add_argument_group("labels and masks").add_argument
        add("--fixed-labels", help="label map of the fixed image, for Dice", **path)
        add(
            "--moving-labels",
            help="label map of the moving image; it is moved as well",
            **path,
        )
        add("--fixed-mask", help="compare only inside this mask (no --model)", **path)
        add("--moving-mask", help="the same for the moving image", **path)

    @staticmethod
    def run(options: Namespace) -> int:
        """Register, write, print."""
        from autoreg_jax import data, inference
        from autoreg_jax.runtime import enable_compilation_cache

        given = {name: getattr(options, name) for name in _OPTIONS}
        if options.affine_only:
            if options.model is not None or options.refine:
                raise ConfigError("--affine-only excludes --model and --refine.")
            if options.smoothness is not None:
                raise ConfigError("--affine-only has no smoothness to change.")
            given["refine"] = 0
        page = None
        if "report" in options.extra:
            from autoreg_jax.report import pair_page as page
        fixed, moving = options.fixed, options.moving
        folders = any(path is not None and path.is_dir() for path in (fixed, moving))
        if options.pairs is not None or folders:
            _check_many(options)
            if options.pairs is not None:
                pairs = data.read_pairs(options.pairs)
            else:
                pairs = data.match_images(fixed, moving)
            _say_what_is_done(given)
            enable_compilation_cache()
            summaries = inference.register_many(
                pairs,
                options.output,
                one_field=options.one_field,
                extra=options.extra,
                page=page,
                **given,
            )
            _show_many(summaries, options)
            return int(any("error" in summary for summary in summaries.values()))
        if fixed is None or moving is None:
            raise ConfigError("give a fixed and a moving image (-f, -m), or --pairs.")
        if options.fixed_labels and not options.moving_labels:
            raise ConfigError("--fixed-labels needs --moving-labels to compare with.")
        pair = data.PairFiles(
            fixed,
            moving,
            options.fixed_labels,
            options.moving_labels,
            options.fixed_mask,
            options.moving_mask,
        )
        _say_what_is_done(given)
        enable_compilation_cache()
        summary = inference.register_files(
            pair,
            options.output,
            moved=options.moved,
            displacement=options.warp,
            one_field=options.one_field,
            extra=options.extra,
            page=page,
            **given,
        )
        _show_one(summary, options)
        return 0


def _check_many(options: Namespace) -> None:
    """Refuse options of one pair beside many.

    Raises:
        ConfigError: If there is one, or the images or the output are missing.
    """
    if options.pairs is not None and (options.fixed or options.moving):
        raise ConfigError("--pairs excludes -f and -m.")
    single = ("moved", "warp", "fixed_labels", "moving_labels")
    for name in (*single, "fixed_mask", "moving_mask"):
        if getattr(options, name) is not None:
            raise ConfigError(
                f"--{name.replace('_', '-')} is for one pair; give labels and masks of "
                "many pairs as columns of --pairs."
            )
    if options.output is None:
        raise ConfigError("no output; give an output prefix (-o).")
    if options.pairs is None and (options.fixed is None or options.moving is None):
        raise ConfigError("give fixed and moving images (-f, -m).")


def _say_what_is_done(given: Mapping[str, Any]) -> None:
    """Without a model and without --refine the alignment decides what is done."""
    if given["model"] is not None or given["refine"] is not None:
        return
    text = "deformable registration without a model; for the alignment alone use "
    text += "--affine-only"
    if given["affine"] in ("rigid", "affine"):
        text = f"{given['affine']} alignment alone; to register deformably add --refine"
    print(f"autoreg register: {text}", file=sys.stderr)


def _show_one(summary: dict[str, Any], options: Namespace) -> None:
    """Print the numbers of a pair and where the files are."""
    if options.json:
        show_json(summary)
        return
    for warning in summary["warnings"]:
        warnings.warn(warning, ImageWarning, stacklevel=2)
    if summary["is_aligned"]:
        summary |= summary["alignment"]
    rows = [
        [label, *(_number(summary.get(k), form) for k in (f"{key}_before", key))]
        for label, _, key, form in _NUMBERS
        if key in summary
    ]
    show_table(str(options.moving), ["", "before", "after"], rows)
    for path in summary["files"]:
        show_line("written", path)


def _show_many(summaries: Mapping[str, Mapping[str, Any]], options: Namespace) -> None:
    """Print a row for each pair, their mean, and what failed."""
    if options.json:
        show_json({"pairs": summaries})
        return
    done = {name: s for name, s in summaries.items() if "error" not in s}
    columns = [
        (title, key, form)
        for _, label, name, form in _NUMBERS
        for title, key in ((_before(label), f"{name}_before"), (label, name))
        if label and any(key in summary for summary in done.values())
    ]
    rows = [
        [name, *(_number(summary.get(key), form) for _, key, form in columns)]
        for name, summary in done.items()
    ]
    if len(rows) > 1:
        values = ([s[key] for s in done.values() if key in s] for _, key, _ in columns)
        means = [sum(known) / len(known) for known in values]
        forms = [form for *_, form in columns]
        rows.append(["mean", *map(_number, means, forms)])
    titles = [title for title, *_ in columns]
    show_table(
        f"{len(done)} of {len(summaries)} pairs",
        ["", *titles],
        rows,
        drop=[title for title in titles if " before" in title],
    )
    for name, summary in done.items():
        for warning in summary["warnings"]:
            warnings.warn(f"{name}: {warning}", ImageWarning, stacklevel=2)
    for name, summary in summaries.items():
        if "error" in summary:
            show_line(f"failed: {name}", summary["error"])
    show_line("written", f"{options.output}*")


def _before(label: str) -> str:
    """`error, mm` as `error before, mm`."""
    name, comma, unit = label.partition(",")
    return f"{name} before{comma}{unit}"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)
