"""BIDS folders, raw and derivatives: https://bids-specification.readthedocs.io."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from autoreg_jax.data.datasets._bids_files import (
    NATIVE,
    BidsFile,
    belonging,
    bids_file,
    have_one_grid,
)
from autoreg_jax.data.datasets._dataset import Dataset, Subject
from autoreg_jax.data.datasets._names import is_image_file, stem
from autoreg_jax.data.datasets._splits import Choose, choose_splits
from autoreg_jax.errors import DataError

__all__ = ["is_bids", "read_bids"]

CONTRASTS = ("T1w", "T2w")
# Folders of BIDS that hold neither the data nor what was derived from them.
_OTHER_FOLDERS = ("sourcedata", "code", "stimuli", "work")


def is_bids(path: Path) -> bool:
    """Whether a folder contains `sub-*/anat` or `sub-*/ses-*/anat`."""
    return any(True for _ in _anatomies(path))


def read_bids(path: Path, choose: Choose = choose_splits) -> Dataset:
    """Read the T1w and T2w scans of a BIDS folder, raw or of derivatives.

    Label maps are `*_dseg` files, in `derivatives` or beside the scans, such as those
    of fMRIPrep. One kind is used for all: the one that most scans have, of equals
    `desc-aseg`, then `desc-aparcaseg`, then the others. A label map belongs to a scan
    if all entities in its name are those of the scan; one that fits several scans of a
    contrast, such as two runs, and names none belongs to none. Masks are
    `*_desc-brain_mask`, those of lesions `*_label-lesion_roi` or `_mask`. If the raw
    scans do not all have a label map on their grid, but those of a pipeline have, these
    are used. Of images in several spaces one is used.

    Args:
        path: The folder with `sub-*`.
        choose: Completes the splits, as `choose_splits` does.

    Returns:
        One subject for each scan, named after its file; the notes say which label maps
        and images were used and which were not.

    Raises:
        DataError: If there are no such scans, or fewer than the splits need.
    """
    everything = [bids_file(file, path) for file in sorted(_images(path))]
    found = _labelled(path, everything, "")
    if not found.is_complete:
        # Those of a pipeline, on the grids of its label maps, may all have one.
        pipelines = sorted(
            {f.pipeline for f in everything if f.suffix == "dseg"} - {""}
        )
        derived = (_labelled(path, everything, name) for name in pipelines)
        found = next((one for one in derived if one.is_complete), found)
    if not found.scans:
        raise DataError(
            f"{path}: looks like BIDS, but no folder anat has a scan named "
            "sub-*_T1w.nii.gz or sub-*_T2w.nii.gz; list the images in a dataset CSV."
        )
    scans, more = _contrasts_with_labels(found)
    of_masks, _ = belonging(scans, [*filter(_is_of_brain, everything)], "mask")
    lesions = [*filter(_is_of_lesion, everything)]
    of_lesions, unclear = belonging(scans, lesions, "lesion mask")
    of_lesions = {s: f for s, f in of_lesions.items() if have_one_grid(s, f)}
    splits, note = choose(path, [scan.entities["sub"] for scan in scans])
    subjects = tuple(
        Subject(
            name=stem(scan.path),
            image=scan.path,
            labels=found.labels.get(scan.path),
            split=split,
            modality=scan.suffix,
            mask=of_masks.get(scan.path),
            lesion=of_lesions.get(scan.path),
            why=why,
            person=f"sub-{scan.entities['sub']}",
        )
        for scan, (split, why) in zip(scans, splits, strict=True)
    )
    first = f"BIDS: {len(scans)} scans, {len(found.labels)} with a label map."
    more += [*unclear, *filter(None, [_lesions(of_lesions), note])]
    return Dataset(path, subjects, (first, *found.notes, *more))


def _is_of_brain(file: BidsFile) -> bool:
    kinds = {file.entities.get(key, "brain") for key in ("desc", "label")}
    return file.suffix == "mask" and kinds == {"brain"}


def _is_of_lesion(file: BidsFile) -> bool:
    is_named = file.entities.get("label") in ("lesion", "L")
    is_named |= "lesion" in file.entities.get("desc", "").lower()
    return is_named and file.suffix in ("mask", "roi")


def _lesions(found: Mapping[Path, Path]) -> str:
    """A sentence on lesion masks, such as `sub-01_T1w_label-lesion_roi`, if any."""
    if not found:
        return ""
    first = min(found.values())
    return (
        f"{len(found)} scans have a lesion mask, such as {first.name}: what lies under "
        "it takes the grey values around it."
    )


class _Labelled(NamedTuple):
    """Scans, their label maps, and what was chosen."""

    scans: list[BidsFile]
    labels: dict[Path, Path]
    notes: list[str]

    @property
    def is_complete(self) -> bool:
        """Whether each scan has a label map on its grid."""
        return bool(self.scans) and all(
            scan.path in self.labels
            and have_one_grid(scan.path, self.labels[scan.path])
            for scan in self.scans
        )


def _labelled(path: Path, files: list[BidsFile], pipeline: str) -> _Labelled:
    """The raw scans, or those of a pipeline, with the label maps that fit them."""
    scans, notes = _scans([file for file in files if file.pipeline == pipeline])
    if pipeline:
        notes = [
            f"The scans of derivatives/{pipeline} are used, not the raw ones, "
            "since the label maps are theirs.",
            *notes,
        ]
    maps = [file for file in files if file.suffix == "dseg"]
    labels, more = belonging(scans, maps, "label map")
    return _Labelled(scans, labels, [*notes, *more])


def _contrasts_with_labels(found: _Labelled) -> tuple[list[BidsFile], list[str]]:
    """The scans of contrasts with label maps, if others have none at all."""
    labelled = {scan.suffix for scan in found.scans if scan.path in found.labels}
    scans = [scan for scan in found.scans if scan.suffix in labelled]
    others = Counter(s.suffix for s in found.scans if s.suffix not in labelled)
    if not labelled or not others:
        return found.scans, []
    words = " and ".join(f"{count} {suffix}" for suffix, count in others.items())
    return scans, [f"{words} scans have no label map and are not used."]


def _anatomies(path: Path) -> Iterator[Path]:
    for pattern in ("sub-*/anat", "sub-*/ses-*/anat"):
        yield from (folder for folder in path.glob(pattern) if folder.is_dir())


def _images(path: Path) -> Iterator[Path]:
    """The images of persons that are not of a functional or diffusion series."""
    for file in path.rglob("sub-*"):
        parts = file.relative_to(path).parts[:-1]
        is_other = any(part in _OTHER_FOLDERS or part[0] == "." for part in parts)
        if not is_other and is_image_file(file) and not file.is_dir():
            yield file


def _scans(files: list[BidsFile]) -> tuple[list[BidsFile], list[str]]:
    """The scans among files, all in one space and of one kind."""
    found = [f for f in files if f.suffix in CONTRASTS and f.folder == "anat"]
    if not found:
        return [], []
    by_version: dict[tuple[str, ...], list[BidsFile]] = {}
    for file in found:
        by_version.setdefault(file.version, []).append(file)
    # Most scans; then their own space, then the plain name.
    chosen = min(
        by_version,
        key=lambda version: (
            -len({file.scan for file in by_version[version]}),
            version[0] not in NATIVE,
            version[1:] not in {("", ""), ("", "preproc")},
            version,
        ),
    )
    others = len(found) - len(by_version[chosen])
    if not others:
        return found, []
    keys = zip(("space", "res", "desc"), chosen, strict=True)
    words = "_".join(f"{key}-{value}" for key, value in keys if value)
    return by_version[chosen], [
        f"Of the images in several spaces or versions, {words or 'the plain ones'} are "
        f"used; {others} others are not."
    ]
