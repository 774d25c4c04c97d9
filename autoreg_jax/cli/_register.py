"""`autoreg register`."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from autoreg_jax.cli._show import show_json, show_line, show_table
from autoreg_jax.errors import ConfigError

_PATH = "PATH"


@dataclass(frozen=True, kw_only=True)
class Register:
    """Register two images of any orientation, spacing and shape.

    Writes OUT_moved.nii.gz (the moving image on the grid of the fixed one),
    OUT_displacement.nii.gz (world vectors in mm along R, A, S on that grid) and
    OUT_summary.json.

    Examples:
      autoreg register -f fixed.nii.gz -m moving.nii.gz -o out_ --model runs/demo
      autoreg register -f fixed.nii.gz -m moving.nii.gz -o out_ --refine 100
      autoreg register -f fixed.nii.gz -m moving.nii.gz -o out_ --affine rigid
    """

    fixed: Annotated[Path, tyro.conf.arg(aliases=["-f"])]
    """Fixed image, NIfTI."""

    moving: Annotated[Path, tyro.conf.arg(aliases=["-m"])]
    """Moving image, NIfTI."""

    output: Annotated[str | None, tyro.conf.arg(aliases=["-o"], metavar="PREFIX")] = (
        None
    )
    """What the names of the results begin with; a folder ends in /."""

    moved: Annotated[Path | None, tyro.conf.arg(metavar=_PATH)] = None
    """Name of the moved image."""

    warp: Annotated[Path | None, tyro.conf.arg(metavar=_PATH)] = None
    """Name of the displacement."""

    model: Annotated[Path | None, tyro.conf.arg(metavar=_PATH)] = None
    """Folder of a run or model; without it only --affine and --refine move anything."""

    affine: Literal["auto", "rigid", "affine", "none"] = "auto"
    """Align first: auto where the images say so; none trusts the headers."""

    refine: int = 0
    """Steps of optimisation on this pair, after the network or instead of it."""

    similarity: Annotated[
        Literal["ncc", "mind"] | None, tyro.conf.arg(metavar="ncc|mind")
    ] = None
    """Of the optimisation: ncc for one contrast, mind for two; default: the model's."""

    fixed_labels: Annotated[Path | None, tyro.conf.arg(metavar=_PATH)] = None
    """Label map of the fixed image, for the Dice overlap."""

    moving_labels: Annotated[Path | None, tyro.conf.arg(metavar=_PATH)] = None
    """Label map of the moving image; it is moved as well (OUT_moved_labels.nii.gz)."""

    json: bool = False
    """Print JSON instead of a table."""

    after_interrupt = "Nothing was written."

    def run(self) -> int:
        """Register, write, print."""
        if self.fixed_labels and not self.moving_labels:
            raise ConfigError("--fixed-labels needs --moving-labels to compare with.")
        from autoreg_jax import data, inference
        from autoreg_jax.runtime import enable_compilation_cache

        given = (self.fixed, self.moving, self.fixed_labels, self.moving_labels)
        inference.output_paths(
            self.output,
            moved=self.moved,
            displacement=self.warp,
            with_labels=self.moving_labels is not None,
            inputs=[path for path in given if path is not None],
        )
        moving_labels = overlap = None
        if self.moving_labels:
            moving_labels = data.read_labels(self.moving_labels)
        fixed_labels = (
            data.read_labels(self.fixed_labels) if self.fixed_labels else None
        )
        enable_compilation_cache()
        result = inference.register(
            self.fixed,
            self.moving,
            model=self.model,
            affine=self.affine,
            refine=self.refine,
            similarity=self.similarity,
        )
        if fixed_labels is not None and moving_labels is not None:
            overlap = inference.label_overlap(result, fixed_labels, moving_labels)
        paths = result.save(
            self.output, moved=self.moved, displacement=self.warp, labels=moving_labels
        )
        self._show(result.summary(), overlap, paths)
        return 0

    def _show(self, summary: dict[str, Any], overlap: Any, paths: Any) -> None:
        """Print the numbers and where the files are."""
        if overlap is not None:
            summary["dice_before"], summary["dice"] = overlap.means()
        if self.json:
            show_json({**summary, "files": paths})
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
        for path in paths:
            show_line("written", path)


def _number(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)
