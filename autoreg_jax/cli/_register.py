"""`autoreg register`."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autoreg_jax.cli._options import add_fill
from autoreg_jax.cli._parser import Verb
from autoreg_jax.cli._registrations import show_many, show_one
from autoreg_jax.errors import ConfigError

# Options that go to `inference.register` under the same names.
_OPTIONS = ("model", "init", "affine", "refine", "similarity", "smoothness", "fill")
_OPTIONS += ("max_memory", "channel_weights")


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
        many: Any = path | {"nargs": "+", "action": "extend", "default": []}
        help_ = "fixed image, several of one subject, or a folder"
        add("-f", "--fixed", help=help_, **many)
        help_ = "moving image, as many in the same order, or a folder"
        add("-m", "--moving", help=help_, **many)
        add(
            "--pairs",
            type=Path,
            metavar="CSV",
            help="many pairs: columns fixed,moving and, optional, init, displacement "
            "(true one), and for both sides as fixed_mask: labels, mask, lesion, "
            "landmarks",
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
            help="the displacement holds the alignment; no affine.mat",
        )
        flag: Any = {"action": "append_const", "dest": "extra", "default": []}
        help_ = "also the inverse, and the fixed image moved by it"
        add("--inverse", const="inverse", help=help_, **flag)
        help_ = "also the Jacobian determinant of the map"
        add("--jacobian", const="jacobian", help=help_, **flag)
        help_ = "also a grid deformed as the moving image is"
        add("--grid", const="grid", help=help_, **flag)
        help_ = "also a map of how far off the result may be, mm"
        add("--uncertainty", const="uncertainty", help=help_, **flag)
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
            help="align before: rigid, affine, none or auto (default)",
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
            help="steps at each resolution (default: 100; model: 0)",
        )
        add(
            "--similarity",
            metavar="NAME",
            help="ncc, mind (two contrasts) or auto (default: model's)",
        )
        add(
            "--weights",
            nargs="+",
            type=float,
            dest="channel_weights",
            metavar="WEIGHT",
            help="how much each image counts (default: equally)",
        )
        add(
            "--smoothness",
            type=float,
            metavar="FACTOR",
            help="on the smoothness: above 1 smoother, below 1 less",
        )
        help_ = "most memory to use, e.g. 8GiB (default: what is free)"
        add("--max-memory", metavar="SIZE", help=help_)
        add = parser.add_argument_group("labels, masks, points").add_argument
        add("--fixed-labels", help="label map of the fixed image, for Dice", **path)
        add(
            "--moving-labels",
            help="label map of the moving image; it is moved as well",
            **path,
        )
        add("--fixed-mask", help="compare only inside this mask", **path)
        add("--moving-mask", help="the same for the moving image", **path)
        add("--fixed-lesion", help="do not compare inside this mask", **path)
        add("--moving-lesion", help="the same for the moving image", **path)
        table: Any = path | {"metavar": "CSV"}
        help_ = "points in mm, RAS, for their distance"
        add("--fixed-landmarks", help=help_, **table)
        help_ = "the same places in the moving image"
        add("--moving-landmarks", help=help_, **table)
        add(
            "--guide",
            nargs="+",
            choices=("labels", "landmarks"),
            default=(),
            metavar="KIND",
            help="labels, landmarks or both also guide the optimisation",
        )

    @staticmethod
    def run(options: Namespace) -> int:
        """Register, write, print."""
        from autoreg_jax import data, inference
        from autoreg_jax.runtime import enable_compilation_cache

        given = {name: getattr(options, name) for name in _OPTIONS}
        if options.affine_only:
            _check_alignment_alone(options)
            given["refine"] = 0
        page = None
        if "report" in options.extra:
            from autoreg_jax.report import pair_page as page
        fixed, moving = options.fixed, options.moving
        folders = any(path.is_dir() for path in (*fixed, *moving))
        if options.pairs is not None or folders:
            _check_many(options)
            if options.pairs is not None:
                pairs = data.read_pairs(options.pairs)
            else:
                pairs = data.match_images(*fixed, *moving)
            _say_what_is_done(given)
            enable_compilation_cache()
            summaries = inference.register_many(
                pairs,
                options.output,
                one_field=options.one_field,
                extra=options.extra,
                guide=options.guide,
                page=page,
                **given,
            )
            show_many(summaries, options)
            return int(any("error" in summary for summary in summaries.values()))
        if not fixed or not moving:
            raise ConfigError("give a fixed and a moving image (-f, -m), or --pairs.")
        if options.fixed_labels and not options.moving_labels:
            raise ConfigError("--fixed-labels needs --moving-labels to compare with.")
        if (options.fixed_landmarks is None) != (options.moving_landmarks is None):
            raise ConfigError("give --fixed-landmarks and --moving-landmarks, both.")
        pair = data.PairFiles(
            fixed[0],
            moving[0],
            options.fixed_labels,
            options.moving_labels,
            options.fixed_mask,
            options.moving_mask,
            fixed_landmarks=options.fixed_landmarks,
            moving_landmarks=options.moving_landmarks,
            fixed_lesion=options.fixed_lesion,
            moving_lesion=options.moving_lesion,
            more_fixed=tuple(fixed[1:]),
            more_moving=tuple(moving[1:]),
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
            guide=options.guide,
            page=page,
            **given,
        )
        show_one(summary, options)
        return 0


def _check_alignment_alone(options: Namespace) -> None:
    """Refuse what belongs to a deformable registration.

    Raises:
        ConfigError: If it is asked for.
    """
    if options.model is not None or options.refine:
        raise ConfigError("--affine-only excludes --model and --refine.")
    if options.smoothness is not None:
        raise ConfigError("--affine-only has no smoothness to change.")
    if "uncertainty" in options.extra:
        raise ConfigError("--affine-only has no uncertainty to write.")


def _check_many(options: Namespace) -> None:
    """Refuse options of one pair beside many.

    Raises:
        ConfigError: If there is one, or the images or the output are missing.
    """
    if options.pairs is not None and (options.fixed or options.moving):
        raise ConfigError("--pairs excludes -f and -m.")
    single = ("moved", "warp", "fixed_labels", "moving_labels")
    parts = ("mask", "lesion", "landmarks")
    sides = [f"{side}_{part}" for part in parts for side in ("fixed", "moving")]
    for name in (*single, *sides):
        if getattr(options, name) is not None:
            raise ConfigError(
                f"--{name.replace('_', '-')} is for one pair; give labels, masks and "
                "landmarks of many pairs as columns of --pairs."
            )
    if options.output is None:
        raise ConfigError("no output; give an output prefix (-o).")
    if options.pairs is None and not (options.fixed and options.moving):
        raise ConfigError("give fixed and moving images (-f, -m).")
    if len(options.fixed) > 1 or len(options.moving) > 1:
        raise ConfigError(
            "several images of each subject (-f, -m) are for one pair; of many pairs "
            "name them in the columns fixed_2, moving_2 and so on of --pairs."
        )


def _say_what_is_done(given: Mapping[str, Any]) -> None:
    """Without a model and without --refine the alignment decides what is done."""
    if given["model"] is not None or given["refine"] is not None:
        return
    text = "deformable registration without a model; for the alignment alone use "
    text += "--affine-only"
    if given["affine"] in ("rigid", "affine"):
        text = f"{given['affine']} alignment alone; to register deformably add --refine"
    print(f"autoreg register: {text}", file=sys.stderr)
