"""Makes the pages of the site that come from code, documents and notebooks."""

from pathlib import Path

from generator._coordinates import coordinate_picture
from generator._documents import document_pages, pictures
from generator._messages import message_page
from generator._names import name_pages
from generator._options import option_pages
from generator._settings import setting_pages
from generator._summary import summary

__all__ = ["pages", "write"]


def pages(root: Path) -> dict[str, str]:
    """Text by path below the sources of the site.

    Args:
        root: The folder of the repository.
    """
    made = [name_pages(root), option_pages(), setting_pages(), message_page(root)]
    made += [document_pages(root), summary(root)]
    return {path: text for part in made for path, text in part.items()}


def write(root: Path, folder: Path) -> None:
    """Write pages and pictures; a file that has not changed is left alone.

    Args:
        root: The folder of the repository.
        folder: The folder with the sources of the site.
    """
    content = {path: text.encode() for path, text in pages(root).items()}
    content |= pictures(root)
    content["images/coordinates.svg"] = coordinate_picture().encode()
    for path, data in content.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.is_file() or file.read_bytes() != data:
            file.write_bytes(data)
