"""The description of nnU-Net 2, which lists no files: they are found by their names.

`imagesTr/CASE_0000.nii.gz` is the first channel of a case and `labelsTr/CASE.nii.gz`
its label map; `imagesTs` and `labelsTs` are for test. A dictionary `dataset` may list
the files of each case instead.

Reference: https://github.com/MIC-DKFZ/nnUNet, documentation/dataset_format.md
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autoreg_jax.data.datasets._lists import lists_images
from autoreg_jax.data.datasets._names import is_hidden, located
from autoreg_jax.data.images import ENDINGS
from autoreg_jax.errors import DataError

__all__ = ["is_nnunet", "with_lists"]


def is_nnunet(content: Any) -> bool:
    """Whether the content of a JSON file is a description of nnU-Net 2."""
    return isinstance(content, dict) and {"channel_names", "file_ending"} <= {*content}


def with_lists(path: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    """A description with the lists `training` and `test` that its files make.

    Args:
        path: The JSON file.
        content: What it holds; if it has a list for training, nothing is changed.

    Raises:
        DataError: If its images are in a format that is not read, a case has no label
            map, or there are no images.
    """
    if lists_images(content):
        return dict(content)
    ending = str(content["file_ending"])
    if not ending.lower().endswith(ENDINGS):
        raise DataError(
            f"{path}: its images are {ending} files; {', '.join(ENDINGS)} can be "
            "read. Convert them first."
        )
    folder = path.parent
    training = _cases(folder, "Tr", ending)
    if isinstance(content.get("dataset"), dict):
        training = [
            {"image": one["images"], "label": one.get("label")}
            for one in content["dataset"].values()
        ]
    if not training:
        raise DataError(
            f"{path}: there is no {folder / 'imagesTr'} with files CASE_0000{ending}; "
            "name the folder with the raw data of nnU-Net."
        )
    for entry in training:
        label = entry["label"]
        if label is not None and not located(folder, label).is_file():
            raise DataError(
                f"{path}: {folder / label} does not exist, the label map of "
                f"{entry['image'][0]}; add it, or remove the case."
            )
    return {**content, "training": training, "test": _cases(folder, "Ts", ending)}


def _cases(folder: Path, part: str, ending: str) -> list[dict[str, Any]]:
    """The channels of each case, and its label map."""
    name = re.compile(rf"(.+)_\d{{4}}{re.escape(ending)}", re.IGNORECASE)
    images: dict[str, list[str]] = {}
    for file in sorted(folder.glob(f"images{part}/*")):
        if not is_hidden(file) and (found := name.fullmatch(file.name)):
            images.setdefault(found[1], []).append(f"images{part}/{file.name}")
    has_labels = part == "Tr" and (folder / "labelsTr").is_dir()
    return [
        {
            "image": channels,
            "label": f"labels{part}/{case}{ending}" if has_labels else None,
        }
        for case, channels in images.items()
    ]
