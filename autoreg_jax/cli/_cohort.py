"""`autoreg template | register-series`: many images together."""

import warnings
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from autoreg_jax.cli._options import add_output, add_resume
from autoreg_jax.cli._parser import Verb
from autoreg_jax.cli._show import show_json, show_line, show_table
from autoreg_jax.errors import ImageWarning

# Options that go to the function under the same names.
_REGISTRATION = ("model", "refine", "similarity", "smoothness", "max_memory")
# Of a round: title, key, format.
_ROUND = (
    ("kind", "kind", "{}"),
    ("shape change, mm", "shape_change_mm", "{:.3f}"),
    ("intensity change", "intensity_change", "{:.4f}"),
    ("similarity", "similarity", "{:.3f}"),
    ("seconds", "seconds", "{:.1f}"),
)
# Absolute motion along and about each axis.
_MOTION = tuple(
    f"{word} {axis}, {unit}"
    for word, unit in (("translation", "mm"), ("rotation", "degrees"))
    for axis in "xyz"
)


class Template(Verb):
    """Build the unbiased average of a cohort.

    Aligns and registers all images to their mean, moves it by the inverse of the
    mean velocity, averages them again, and repeats that. Writes template.nii.gz,
    mean, variance, summary.json, and for each subject the moved image and the
    transforms (subjects/NAME_displacement.nii.gz, NAME_affine.mat) for autoreg
    apply; with label maps the label of most (labels.nii.gz) and probabilities.

    Examples:
      autoreg template subjects.csv -o template/
      autoreg template scans/ -o template/ --affine rigid --affine-only
      autoreg template a.nii.gz b.nii.gz c.nii.gz -o template/ --rounds 6
      autoreg template a.nii.gz b.nii.gz -o anna/ --affine rigid --position mean
    """

    usage = "{DATASET | IMAGE IMAGE ...} -o FOLDER [options]"
    interrupted = "Resume with the same command and --resume."

    @staticmethod
    def add_options(parser: ArgumentParser) -> None:
        """Images, output, template, registration."""
        group = parser.add_argument_group("images")
        path: Any = {"type": Path, "metavar": "PATH"}
        group.add_argument(
            "images",
            nargs="+",
            type=Path,
            metavar="DATASET",
            help="CSV (subject,image,labels), dataset.json, BIDS or other folder; or "
            "the images",
        )
        many: Any = path | {"nargs": "+"}
        group.add_argument(
            "--labels", help="label maps of listed images, same order", **many
        )
        group = parser.add_argument_group("output")
        text = "folder for the results"
        add_output(group, text, required=True, metavar="FOLDER")
        add_resume(group, "go on after the last finished round in this folder")
        add = parser.add_argument_group("template").add_argument
        add("--rounds", type=int, default=4, metavar="N", help="default: 4")
        add(
            "--affine",
            choices=("affine", "rigid", "none"),
            default="affine",
            metavar="KIND",
            help="alignment: affine (default), rigid, or none, by the headers",
        )
        add(
            "--affine-only",
            action="store_true",
            help="alignment only, no deformable registration",
        )
        text = "of the template: reference (default), or mean, of all images"
        kinds = ("reference", "mean")
        add("--position", choices=kinds, default=kinds[0], metavar="WHERE", help=text)
        text = "its position and grid are those of the template (default: the first)"
        add("--reference", help=text, **path | {"metavar": "IMAGE"})
        text = "voxel size (default: that of the reference)"
        add("--spacing", type=float, metavar="MM", help=text)
        text = "sharpen each mean, e.g. 0.5 (default: 0)"
        add("--sharpen", type=float, default=0.0, metavar="AMOUNT", help=text)
        add_registration(parser)

    @staticmethod
    def run(options: Namespace) -> int:
        """Build, write, print."""
        from autoreg_jax import workflows
        from autoreg_jax.runtime import enable_compilation_cache

        enable_compilation_cache()
        images = options.images
        found = workflows.build_template(
            images[0] if len(images) == 1 else images,
            options.output,
            labels=options.labels,
            reference=options.reference,
            affine=options.affine,
            position=options.position,
            deformable=not options.affine_only,
            rounds=options.rounds,
            spacing=options.spacing,
            sharpen=options.sharpen,
            resume=options.resume,
            **{name: getattr(options, name) for name in _REGISTRATION},
        )
        summary = found.summary
        if options.json:
            show_json({"output": options.output, **summary})
            return 0
        rows = [
            [str(one["round"])]
            + [form.format(one[key]) if key in one else "" for _, key, form in _ROUND]
            for one in summary["rounds"]
        ]
        titles = [title for title, *_ in _ROUND]
        title = f"{options.output}: {len(summary['subjects'])} images"
        show_table(title, ["round", *titles], rows)
        say_doubts(summary["subjects"])
        show_line("written", options.output / "template.nii.gz")
        return 0


class RegisterSeries(Verb):
    """Correct a time series for motion.

    Brings the images of a 4-D file to the mean of their positions, or to that of
    one of them. Writes corrected.nii.gz, mean.nii.gz, motion.tsv (trans_x ... rot_z
    in mm and degrees, framewise_displacement), transforms/volume_NNNN_affine.mat
    for autoreg apply, and summary.json.

    Examples:
      autoreg register-series bold.nii.gz -o corrected/
      autoreg register-series cine.nii.gz -o corrected/ --reference 0 --deformable
    """

    usage = "SERIES -o FOLDER [options]"
    interrupted = "Results of an earlier run were not changed."

    @staticmethod
    def add_options(parser: ArgumentParser) -> None:
        """Series, output, motion, deformable registration."""
        group = parser.add_argument_group("series")
        text = "time series (NIfTI with four axes)"
        group.add_argument("series", type=Path, metavar="SERIES", help=text)
        group = parser.add_argument_group("output")
        text = "folder for the results"
        add_output(group, text, required=True, metavar="FOLDER")
        add = parser.add_argument_group("motion").add_argument
        add(
            "--affine",
            choices=("rigid", "affine"),
            default="rigid",
            metavar="KIND",
            help="rigid (default), or affine, with scales and shears",
        )
        add("--deformable", action="store_true", help="then register deformably, too")
        text = "image to bring the others to, from 0 (default: the mean position)"
        add("--reference", type=int, metavar="INDEX", help=text)
        text = "alignments to the mean (default: 2)"
        add("--rounds", type=int, default=2, metavar="N", help=text)
        add_registration(parser, "deformable registration")

    @staticmethod
    def run(options: Namespace) -> int:
        """Correct, write, print."""
        from autoreg_jax import workflows
        from autoreg_jax.runtime import enable_compilation_cache

        enable_compilation_cache()
        found = workflows.register_series(
            options.series,
            options.output,
            affine=options.affine,
            deformable=options.deformable,
            reference=options.reference,
            rounds=options.rounds,
            **{name: getattr(options, name) for name in _REGISTRATION},
        )
        if options.json:
            show_json({"output": options.output, **found.summary})
            return 0
        columns = zip(_MOTION, abs(found.motion).T, strict=True)
        rows = [[n, f"{x.mean():.3f}", f"{x.max():.3f}"] for n, x in columns]
        keys = [f"framewise_displacement_{name}" for name in ("mean", "max")]
        moved = [f"{found.summary[key]:.3f}" for key in keys]
        rows.append(["framewise displacement, mm", *moved])
        title = f"{options.series}: {found.summary['images']} images"
        show_table(title, ["", "mean", "largest"], rows)
        for doubt in found.summary["warnings"]:
            warnings.warn(doubt, ImageWarning, stacklevel=2)
        show_line("written", options.output / "corrected.nii.gz")
        return 0


def add_registration(parser: ArgumentParser, title: str = "registration") -> None:
    """Add the options of each registration."""
    add = parser.add_argument_group(title).add_argument
    text = "trained network: a run, its model/, or brain"
    add("--model", type=Path, metavar="PATH", help=text)
    text = "steps at each resolution (default: 100; model: 0)"
    add("--refine", type=int, metavar="STEPS", help=text)
    text = "ncc, mind, or auto, which looks (default)"
    add("--similarity", metavar="NAME", help=text)
    text = "on the smoothness: above 1 smoother, below 1 less"
    add("--smoothness", type=float, metavar="FACTOR", help=text)
    text = "most memory to use, e.g. 8GiB (default: what is free)"
    add("--max-memory", metavar="SIZE", help=text)


def say_doubts(subjects: dict[str, dict[str, Any]]) -> None:
    """Warn of images that may not be registered well."""
    for name, about in subjects.items():
        for doubt in (*about.get("warnings", ()), *about.get("trust_flags", ())):
            warnings.warn(f"{name}: {doubt}", ImageWarning, stacklevel=2)
