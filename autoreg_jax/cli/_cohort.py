"""`autoreg template`: many images together."""

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


def add_registration(parser: ArgumentParser) -> None:
    """Add the options of each registration."""
    add = parser.add_argument_group("registration").add_argument
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
