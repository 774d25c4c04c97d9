"""What the name of a scan says: the person and the modality."""

import re
from pathlib import Path

__all__ = ["SUFFIXES", "is_image_file", "scan_parts", "stem"]

SUFFIXES = (".nii.gz", ".nii")

# Endings of a name, after "_", "-", "." or a space, in any case.
MODALITIES = r"t[12](?:w|c|ce|gd|n|f)?|pdw?|flair|dwi|adc|swi|(?:cb)?ct|mri?|us|pet"
PLAIN = ("image", "img", "scan", "brain", "orig")
_ENDING = re.compile(rf"[_\-. ]({MODALITIES})$", re.IGNORECASE)
_PLAIN = re.compile(rf"[_\-. ]({'|'.join(PLAIN)})$", re.IGNORECASE)
# Learn2Reg and nnU-Net number the images of a person: 0000, 0001.
_CHANNEL = re.compile(r"(?<=_)00\d\d$")


def is_image_file(path: Path) -> bool:
    """Whether a name is that of a NIfTI file, and not hidden."""
    return path.name.lower().endswith(SUFFIXES) and not path.name.startswith(".")


def stem(path: Path) -> str:
    """Name without `.nii` or `.nii.gz`.

    Examples:
        >>> stem(Path("scans/a.b_t1.nii.gz"))
        'a.b_t1'
    """
    return re.sub(r"\.nii(\.gz)?$", "", path.name, flags=re.IGNORECASE)


def scan_parts(name: str) -> tuple[str, str | None]:
    """Person and modality, as far as they are in the name.

    Args:
        name: A stem.

    Returns:
        The person, by default the whole name, and the modality in lower case or None.

    Examples:
        >>> scan_parts("IXI014-HH-1236_t1"), scan_parts("anna"), scan_parts("a_T2w")
        (('IXI014-HH-1236', 't1'), ('anna', None), ('a', 't2w'))
        >>> scan_parts("OASIS_0395_0000"), scan_parts("0005"), scan_parts("IXI14-0005")
        (('OASIS_0395', None), ('0005', None), ('IXI14-0005', None))
    """
    name = _PLAIN.sub("", name)
    if found := _ENDING.search(name):
        return name[: found.start()], found[1].lower()
    if (found := _CHANNEL.search(name)) and len(found[0]) + 1 < len(name):
        # The first number of a name is the person, a second one the channel.
        head = name[: found.start() - 1]
        if re.search(r"\d", head):
            return head, None
    return name, None
