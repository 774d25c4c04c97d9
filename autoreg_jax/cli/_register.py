"""`autoreg register`."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from autoreg_jax.cli._register_files import register_files, register_many
from autoreg_jax.cli._show import show_json, show_line, show_table
from autoreg_jax.errors import ConfigError

if TYPE_CHECKING:
    from autoreg_jax.data import PairFiles

_PATH = "PATH"


@dataclass(frozen=True, kw_only=True)
class Register:
    """Register two images, or many pairs, of any orientation, spacing and shape.

    Writes OUT_moved.nii.gz (the moving image on the grid of the fixed one),
    OUT_displacement.nii.gz (world vectors in mm along R, A, S on that grid) and
    OUT_summary.json.

    Examples:
      autoreg register -f fixed.nii.gz -m moving.nii.gz -o out_ --model runs/demo
      autoreg register -f fixed.nii.gz -m moving.nii.gz -o out_
      autoreg register -f fixed.nii.gz -m moving.nii.gz -o out_ --affine rigid
      autoreg register --pairs pairs.csv -o results/ --refine 100
    """

    fixed: Annotated[Path | None, tyro.conf.arg(aliases=["-f"], metavar=_PATH)] = None
    """Fixed image, NIfTI, or a folder of them."""

    moving: Annotated[Path | None, tyro.conf.arg(aliases=["-m"], metavar=_PATH)] = None
    """Moving image, NIfTI, or a folder; two folders: images of one name are a pair."""

    pairs: Annotated[Path | None, tyro.conf.arg(metavar=_PATH)] = None
    """CSV fixed,moving[,fixed_labels,moving_labels,fixed_mask,moving_mask,displacement]
    instead; displacement is the true one, to be compared with."""

    output: Annotated[str | None, tyro.conf.arg(aliases=["-o"], metavar="PREFIX")] = (
        None
    )
    """What the names of the results begin with; a folder ends in /."""

    moved: Annotated[Path | None, tyro.conf.arg(metavar=_PATH)] = None
    """Name of the moved image."""

    warp: Annotated[Path | None, tyro.conf.arg(metavar=_PATH)] = None
    """Name of the displacement; .h5 or .tfm for ITK, .npz for Learn2Reg."""

    model: Annotated[Path | None, tyro.conf.arg(metavar=_PATH)] = None
    """Folder of a run or model; without it --affine aligns and --refine registers from
    coarse to fine."""

    affine: Literal["auto", "rigid", "affine", "none"] = "auto"
    """Align first: auto where the images say so; none trusts the headers."""

    refine: Annotated[int | None, tyro.conf.arg(metavar="STEPS")] = None
    """Steps per resolution (two with a model, three without); default: 0 with a model,
    100 without."""

    affine_only: bool = False
    """Stop after the alignment; the same as --refine 0 without a model."""

    similarity: Annotated[
        Literal["ncc", "mind"] | None, tyro.conf.arg(metavar="ncc|mind")
    ] = None
    """Of the optimisation: ncc for one contrast, mind for two; default: the model's."""

    fixed_labels: Annotated[Path | None, tyro.conf.arg(metavar=_PATH)] = None
    """Label map of the fixed image, for the Dice overlap."""

    moving_labels: Annotated[Path | None, tyro.conf.arg(metavar=_PATH)] = None
    """Label map of the moving image; it is moved as well (OUT_moved_labels.nii.gz)."""

    fixed_mask: Annotated[Path | None, tyro.conf.arg(metavar=_PATH)] = None
    """Where it is not 0 the fixed image is compared; without a model."""

    moving_mask: Annotated[Path | None, tyro.conf.arg(metavar=_PATH)] = None
    """The same of the moving image."""

    json: bool = False
    """Print JSON instead of a table."""

    after_interrupt = "Nothing was written."

    def run(self) -> int:
        """Register, write, print."""
        from autoreg_jax import data, inference
        from autoreg_jax.runtime import enable_compilation_cache

        refine = self.refine
        if self.affine_only:
            if self.model is not None or refine:
                raise ConfigError("--affine-only excludes --model and --refine.")
            refine = 0
        many = self._many()
        options = {
            "model": self.model,
            "affine": self.affine,
            "refine": refine,
            "similarity": self.similarity,
        }
        if many is not None:
            self._say_what_is_done()
            enable_compilation_cache()
            return register_many(many, str(self.output), options, as_json=self.json)
        if self.fixed is None or self.moving is None:
            raise ConfigError("name a fixed and a moving image, -f and -m, or --pairs.")
        if self.fixed_labels and not self.moving_labels:
            raise ConfigError("--fixed-labels needs --moving-labels to compare with.")
        pair = data.PairFiles(
            self.fixed,
            self.moving,
            self.fixed_labels,
            self.moving_labels,
            self.fixed_mask,
            self.moving_mask,
        )
        names = {"moved": self.moved, "displacement": self.warp}
        inference.output_paths(
            self.output,
            **names,
            with_labels=self.moving_labels is not None,
            inputs=pair.files,
        )
        self._say_what_is_done()
        enable_compilation_cache()
        self._show(register_files(pair, self.output, options, **names))
        return 0

    def _many(self) -> "tuple[PairFiles, ...] | None":
        """The pairs of a CSV or of folders; None where there is one pair of images.

        Raises:
            ConfigError: If many pairs are given together with files of one.
        """
        from autoreg_jax import data

        sides = [path for path in (self.fixed, self.moving) if path is not None]
        if self.pairs is None and not any(path.is_dir() for path in sides):
            return None
        if self.pairs is not None and sides:
            raise ConfigError("--pairs names all images; leave -f and -m out.")
        single = ("moved", "warp", "fixed_labels", "moving_labels")
        for name in (*single, "fixed_mask", "moving_mask"):
            if getattr(self, name) is not None:
                option = name.replace("_", "-")
                raise ConfigError(
                    f"--{option} is of one pair; labels and masks of many pairs are "
                    "columns of --pairs."
                )
        if self.output is None:
            raise ConfigError("nothing is to be written; name an output prefix (-o).")
        if self.pairs is not None:
            return data.read_pairs(self.pairs)
        if self.fixed is None or self.moving is None:
            raise ConfigError("name fixed and moving images, -f and -m.")
        return data.match_images(self.fixed, self.moving)

    def _say_what_is_done(self) -> None:
        """Without a model and without --refine the alignment decides what is done."""
        if self.model is not None or self.refine is not None or self.affine_only:
            return
        text = "deformable registration without a model; for the alignment alone use "
        text += "--affine-only"
        if self.affine in ("rigid", "affine"):
            text = f"{self.affine} alignment alone; to register deformably add --refine"
        print(f"autoreg register: {text}", file=sys.stderr)

    def _show(self, summary: dict[str, Any]) -> None:
        """Print the numbers and where the files are."""
        if self.json:
            show_json(summary)
            return
        for warning in summary["warnings"]:
            print(f"autoreg register: warning: {warning}", file=sys.stderr)
        if summary["is_aligned"]:
            summary |= summary["alignment"]
        rows = [
            [label, *(_number(summary.get(key), form) for key in keys)]
            for label, keys, form in (
                ("Dice", ("dice_before", "dice"), "{:.3f}"),
                ("alignment", ("score_before", "score"), "{:.3f}"),
                ("local correlation", ("similarity_before", "similarity"), "{:.3f}"),
                ("mean displacement, mm", ("", "displacement_mean_mm"), "{:.2f}"),
                ("largest displacement, mm", ("", "displacement_max_mm"), "{:.2f}"),
                ("folding, fraction of voxels", ("", "folding_fraction"), "{:.5f}"),
                ("seconds", ("", "seconds"), "{:.2f}"),
            )
            if keys[1] in summary
        ]
        show_table(str(self.moving), ["", "before", "after"], rows)
        for path in summary["files"]:
            show_line("written", path)


def _number(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)
