"""Endings of image files, in any case."""

import re
from pathlib import Path

__all__ = ["ENDINGS", "FREESURFER", "ITK", "NIFTI", "is_image_name", "stem"]

NIFTI = (".nii.gz", ".nii")
FREESURFER = (".mgz", ".mgh")
# Read and written by SimpleITK.
ITK = (".nrrd", ".nhdr", ".mha", ".mhd")
ENDINGS = NIFTI + FREESURFER + ITK

_ENDING = re.compile(f"({'|'.join(map(re.escape, ENDINGS))})$", re.IGNORECASE)


def is_image_name(path: Path | str) -> bool:
    """Whether a name ends as that of an image.

    Examples:
        >>> is_image_name("brain.NII.GZ"), is_image_name("brain.png")
        (True, False)
    """
    return bool(_ENDING.search(str(path)))


def stem(path: Path) -> str:
    """Name without the ending of an image.

    Examples:
        >>> stem(Path("scans/a.b_t1.nii.gz")), stem(Path("b.MHA"))
        ('a.b_t1', 'b')
    """
    return _ENDING.sub("", path.name)
