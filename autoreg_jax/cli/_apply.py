"""`autoreg apply`."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from autoreg_jax.cli._options import add_fill
from autoreg_jax.cli._parser import Verb
from autoreg_jax.cli._show import show_json, show_line


class Apply(Verb):
    r"""Apply transforms to images, label maps or points.

    Reads transforms of autoreg, ITK, ANTs, Slicer, Learn2Reg, VoxelMorph, NiftyReg,
    SPM, FSL, FreeSurfer and AFNI; CONVENTIONS.md says how. Give several as
    antsApplyTransforms takes them: the last is applied to the image first. Points
    (CSV, Slicer's .fcsv and .mrk.json, elastix' .txt, ITK-SNAP's .annot) move with
    the image, from moving to fixed; antsApplyTransformsToPoints does --inverse.

    Examples:
      autoreg apply -i moving.nii.gz -r fixed.nii.gz -o moved.nii.gz \
        -t out_displacement.nii.gz out_affine.mat
      autoreg apply -i fixed.nii.gz -r moving.nii.gz -o back.nii.gz \
        -t [0GenericAffine.mat,1] 1InverseWarp.nii.gz
      autoreg apply -i points.csv -t 1Warp.nii.gz 0GenericAffine.mat -o moved.csv
    """

    usage = "-i IMAGE ... -r IMAGE -t FILE ... -o PATH [options]\n"
    usage += "-i POINTS -t FILE ... -o POINTS [options]"

    @staticmethod
    def add_options(parser: ArgumentParser) -> None:
        """Files, interpolation and transforms."""
        add = parser.add_argument_group("files").add_argument
        add(
            "-i",
            "--input",
            type=Path,
            nargs="+",
            action="extend",
            required=True,
            metavar="PATH",
            help="images, label maps or points of the moving subject",
        )
        add(
            "-r",
            "--reference",
            type=Path,
            metavar="IMAGE",
            help="image whose grid the result gets; not for points",
        )
        add(
            "-t",
            "--transform",
            nargs="+",
            action="extend",
            default=[],
            metavar="FILE",
            help="transform files; [FILE,1] is the inverse of FILE",
        )
        add(
            "-o",
            "--output",
            type=Path,
            required=True,
            metavar="PATH",
            help="file (.nii.gz, .nii, .mha, .nrrd, .mgz; points: as the input), or a "
            "folder for several inputs",
        )
        group = parser.add_argument_group("options")
        add = group.add_argument
        add(
            "-n",
            "--interpolation",
            choices=("linear", "nearest", "label"),
            default="linear",
            metavar="KIND",
            help="linear (default), or for label maps nearest or label",
        )
        add(
            "--inverse",
            action="store_true",
            help="apply the inverse of the whole chain",
        )
        add_fill(group)
        _add_conventions(parser.add_argument_group("what files do not say"))

    @staticmethod
    def run(options: Namespace) -> int:
        """Read, apply, write."""
        from autoreg_jax import inference

        written = inference.apply_files(
            options.input,
            options.transform,
            options.output,
            reference=options.reference,
            interpolation=options.interpolation,
            inverse=options.inverse,
            fill=options.fill,
            conventions=inference.Conventions(
                layout=options.layout,
                points_space=options.points_space,
                points_image=options.points_image,
                fsl_source=options.fsl_source,
                fsl_reference=options.fsl_reference,
            ),
        )
        if options.json:
            found = {"output": options.output, "files": written}
            show_json(found | {"transforms": options.transform})
        for path in () if options.json else written:
            show_line("written", path)
        return 0


def _add_conventions(group: Any) -> None:
    """Options for files that could be read in several ways."""
    group.add_argument(
        "--layout",
        choices=("ants", "ras", "positions", "learn2reg", "fsl"),
        help="vectors of NIfTI fields, instead of what the header says: mm LPS, mm "
        "RAS, positions in mm RAS, voxels, or as FSL",
    )
    group.add_argument(
        "--points-space",
        choices=("ras", "lps"),
        help="axes of points, instead of what the file says (CSV: ras, or lps with "
        "the columns of ANTs)",
    )
    group.add_argument(
        "--points-image",
        type=Path,
        metavar="IMAGE",
        help="image whose voxels the points count (ITK-SNAP, index of elastix)",
    )
    group.add_argument(
        "--fsl-source",
        type=Path,
        metavar="IMAGE",
        help="image that a file of FSL moves (flirt -in; default: -i)",
    )
    group.add_argument(
        "--fsl-reference",
        type=Path,
        metavar="IMAGE",
        help="image that a file of FSL moves it to (flirt -ref; default: -r)",
    )
