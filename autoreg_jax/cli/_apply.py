"""`autoreg apply`."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from autoreg_jax.cli._parser import Verb
from autoreg_jax.cli._show import show_json, show_line


class Apply(Verb):
    r"""Apply transforms to an image, a label map or points.

    Reads transforms of ITK and ANTs (.tfm, .txt, .mat, .h5), displacement fields in
    NIfTI (autoreg, ANTs, ITK, Slicer) and Learn2Reg (.npz). Give several in the
    order of antsApplyTransforms: the last one is applied to the image first. Points
    (CSV with columns x, y, z in mm, RAS) move with the image: from moving to fixed,
    by the same -t. antsApplyTransformsToPoints goes the other way; add --inverse
    for that.

    Examples:
      autoreg apply -i moving.nii.gz -r fixed.nii.gz -t out_displacement.nii.gz \
        -o moved.nii.gz
      autoreg apply -i labels.nii.gz -r fixed.nii.gz -n label -o moved.nii.gz \
        -t 1Warp.nii.gz 0GenericAffine.mat
      autoreg apply -i fixed.nii.gz -r moving.nii.gz -o back.nii.gz \
        -t [0GenericAffine.mat,1] 1InverseWarp.nii.gz
      autoreg apply -i points.csv -t 1Warp.nii.gz 0GenericAffine.mat -o moved.csv
    """

    usage = "-i IMAGE -r IMAGE -t FILE ... -o PATH [options]\n"
    usage += "-i CSV -t FILE ... -o CSV [options]"

    @staticmethod
    def add_options(parser: ArgumentParser) -> None:
        """Files, interpolation and transforms."""
        add = parser.add_argument_group("files").add_argument
        add(
            "-i",
            "--input",
            type=Path,
            required=True,
            metavar="PATH",
            help="image, label map or points (CSV) of the moving subject",
        )
        add(
            "-r",
            "--reference",
            type=Path,
            metavar="IMAGE",
            help="image whose grid the result gets; not needed for points",
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
            help="file to write: .nii.gz, .nii, .mha, .nrrd, .mgz; .csv for points",
        )
        add = parser.add_argument_group("options").add_argument
        add(
            "-n",
            "--interpolation",
            choices=("linear", "nearest", "label"),
            default="linear",
            metavar="KIND",
            help="linear (default) for images; nearest, or label (largest linear "
            "share), for label maps",
        )
        add(
            "--inverse",
            action="store_true",
            help="apply the inverse of the whole chain",
        )
        add(
            "--layout",
            choices=("ants", "ras", "learn2reg"),
            help="units of NIfTI displacements with a wrong header: mm LPS, mm RAS, "
            "voxels",
        )

    @staticmethod
    def run(options: Namespace) -> int:
        """Read, apply, write."""
        from autoreg_jax import inference

        inference.apply_files(
            options.input,
            options.transform,
            options.output,
            reference=options.reference,
            interpolation=options.interpolation,
            inverse=options.inverse,
            layout=options.layout,
        )
        if options.json:
            show_json({"output": options.output, "transforms": options.transform})
        else:
            show_line("written", options.output)
        return 0
