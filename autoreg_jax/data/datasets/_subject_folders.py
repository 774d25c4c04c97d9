"""Folders with one folder a person, in which the same files have the same names."""

from pathlib import Path
from typing import NamedTuple

from autoreg_jax.data.datasets._dataset import Dataset, Subject
from autoreg_jax.data.datasets._people import people_of
from autoreg_jax.data.datasets._splits import Choose, choose_splits
from autoreg_jax.errors import DataError

__all__ = ["find_subject_folders", "read_subject_folders"]


class Layout(NamedTuple):
    """Where the files of a person are.

    Attributes:
        name: For messages.
        images: Images below the folder of a person, the best first.
        labels: For each image its label maps, the best first.
    """

    name: str
    images: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]


_FREESURFER_LABELS = ("mri/aparc+aseg.mgz", "mri/aseg.mgz")
_LAYOUTS = (
    # https://surfer.nmr.mgh.harvard.edu/fswiki/ReconAllOutputFiles
    Layout(
        "FreeSurfer",
        ("mri/norm.mgz", "mri/brain.mgz", "mri/T1.mgz", "mri/orig.mgz"),
        (_FREESURFER_LABELS,) * 4,
    ),
    # https://github.com/adalca/medical-datasets/blob/master/neurite-oasis.md
    Layout(
        "OASIS of Learn2Reg 2021",
        ("aligned_norm.nii.gz", "norm.nii.gz"),
        (("aligned_seg35.nii.gz", "aligned_seg4.nii.gz"), ("seg35.nii.gz",)),
    ),
)


def find_subject_folders(path: Path) -> Layout | None:
    """The layout of the folders in a folder, if at least two have one."""
    for layout in _LAYOUTS:
        for image in layout.images:
            if len(_people(path, image)) > 1:
                return layout
    return None


def read_subject_folders(
    path: Path, layout: Layout, choose: Choose = choose_splits
) -> Dataset:
    """Read one image and label map of each person, the same for all.

    Args:
        path: The folder of the folders.
        layout: Of `find_subject_folders`.
        choose: Completes the splits, as `choose_splits` does.

    Returns:
        One subject for each person, named after their folder.

    Raises:
        DataError: If the persons have no image in common, or are fewer than the splits
            need.
    """
    everyone = sorted({p for image in layout.images for p in _people(path, image)})
    common = [
        (image, labels)
        for image, labels in zip(layout.images, layout.labels, strict=True)
        if len(_people(path, image)) == len(everyone)
    ]
    if not common:
        raise DataError(
            f"{path}: looks like {layout.name}, but none of "
            f"{', '.join(layout.images)} is in all folders; remove the incomplete "
            "ones, or list the files in a dataset CSV."
        )
    image, candidates = common[0]
    names = [person.name for person in everyone]
    labels = next(
        (label for label in candidates if all((p / label).is_file() for p in everyone)),
        None,
    )
    shown = _one_person_each(names)
    splits, note = choose(path, shown)
    subjects = tuple(
        Subject(
            name=person.name,
            image=person / image,
            labels=None if labels is None else person / labels,
            split=split,
            why=why,
            person=whose,
        )
        for person, whose, (split, why) in zip(everyone, shown, splits, strict=True)
    )
    chosen = f"{layout.name}: {image} of each person with {labels or 'no label map'}."
    return Dataset(path, subjects, (chosen, *filter(None, [note])))


def _one_person_each(names: list[str]) -> list[str]:
    """The person of each folder; `A.long.B` says that A and B are of one.

    So FreeSurfer names time points and the template of a person.
    """
    template = {}
    for name in names:
        time_point, found, base = name.partition(".long.")
        if found:
            template |= {time_point: base, name: base}
    people = people_of(names)
    return [template.get(n, p) for n, p in zip(names, people, strict=True)]


def _people(path: Path, image: str) -> list[Path]:
    """Folders of persons with an image, without hidden ones and average subjects."""
    return sorted(
        folder
        for folder in path.iterdir()
        if not folder.name.startswith((".", "fsaverage")) and (folder / image).is_file()
    )
