"""What the name of a scan says: the person and the modality."""

import os
import re
import unicodedata
from pathlib import Path

from autoreg_jax.data.images import is_image_name, stem

__all__ = [
    "CHANNEL",
    "MODALITIES",
    "PLAIN",
    "is_hidden",
    "is_image_file",
    "located",
    "scan_parts",
    "stem",
]

# Endings of a name, after "_", "-", "." or a space, in any case.
MODALITIES = r"t[12](?:w|c|ce|gd|n|f)?|pdw?|flair|dwi|adc|swi|(?:cb)?ct|mri?|us|pet"
PLAIN = ("image", "img", "scan", "brain", "orig")
_ENDING = re.compile(rf"[_\-. ]({MODALITIES})$", re.IGNORECASE)
_PLAIN = re.compile(rf"[_\-. ]({'|'.join(PLAIN)})$", re.IGNORECASE)
# Learn2Reg and nnU-Net number the images of a person: 0000, 0001.
CHANNEL = re.compile(r"(?<=_)00\d\d$")
_MOSTCHANNELS = 8
_BIDS = re.compile(r"sub-[^_]+(?=_)")


def is_hidden(path: Path) -> bool:
    """Whether a name begins with a dot, as that of the `._*` files of macOS."""
    return path.name.startswith(".")


def is_image_file(path: Path) -> bool:
    """Whether a name is that of an image in a format that is read, and not hidden."""
    return is_image_name(path) and not is_hidden(path)


def located(folder: Path, text: str) -> Path:
    r"""A path as a table or description gives it, relative to its folder.

    `~` is the home folder. If there is no such file, `\` is read as `/`, and letters
    with accents in their other form: so are tables written on other systems.
    """
    try:
        os.fsencode(text)
    except UnicodeEncodeError:  # the locale is ASCII, the names are UTF-8
        text = os.fsdecode(text.encode())
    path = folder / Path(text).expanduser() if text.startswith("~") else folder / text
    others = [text.replace("\\", "/")]
    others += [unicodedata.normalize(form, others[0]) for form in ("NFC", "NFD")]
    found = (folder / other for other in others)
    return path if path.exists() else next((f for f in found if f.exists()), path)


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
    if (found := CHANNEL.search(name)) and len(found[0]) + 1 < len(name):
        # The first number of a name is the person, a second one the channel.
        head = name[: found.start() - 1]
        if re.search(r"\d", head):
            return head, None
    return name, None
