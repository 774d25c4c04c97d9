"""Documents and notebooks of the repository as pages of the site."""

import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

# Documents that become one page each.
DOCUMENTS = {
    "CHANGELOG.md": "about/changelog",
    "CONTRIBUTING.md": "about/contributing",
    "CONVENTIONS.md": "reference/conventions",
    "autoreg_jax/models/brain/README.md": "reference/brain",
    "configs/hypergrad/README.md": "reference/hypergrad",
    "tests/benchmarks/README.md": "results/speed",
}
RESULTS = "tests/benchmarks/RESULTS.md"
NOTEBOOKS = "notebooks"
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)")
_IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")


def document_pages(root: Path) -> dict[str, str]:
    """Pages by path.

    Args:
        root: The folder of the repository.
    """
    sources = {
        f"{page}.md": (source, (root / source).read_text(encoding="utf-8"))
        for source, page in DOCUMENTS.items()
    }
    sections = results(root)
    sources |= {f"results/{slug}.md": (RESULTS, text) for slug, text in sections}
    places = anchors(root)
    pages = {
        path: relink(text, source, path, places)
        for path, (source, text) in sources.items()
    }
    for path in notebooks(root):
        cells = json.loads(path.read_text(encoding="utf-8"))
        for cell in cells["cells"]:
            if cell["cell_type"] == "markdown":
                source, page = f"notebooks/{path.name}", f"notebooks/{path.name}"
                text = relink("".join(cell["source"]), source, page, places)
                cell["source"] = text.splitlines(keepends=True)
        pages[f"notebooks/{path.name}"] = json.dumps(cells, ensure_ascii=False)
    return pages


def notebooks(root: Path) -> list[Path]:
    """The notebooks, in the order of their numbers."""
    return sorted((root / NOTEBOOKS).glob("*.ipynb"))


def pictures(root: Path) -> dict[str, bytes]:
    """Pictures of the documents, by their path on the site."""
    found = {
        f"results/images/{p.name}": p for p in (root / RESULTS).parent.glob("images/*")
    }
    found |= {f"images/{p.name}": p for p in (root / NOTEBOOKS / "images").glob("*")}
    return {page: path.read_bytes() for page, path in found.items()}


def results(root: Path) -> list[tuple[str, str]]:
    """Sections of the results as `(slug, text)`, the first one is the front."""
    text = (root / RESULTS).read_text(encoding="utf-8")
    front, *parts = re.split(r"(?m)^## ", text)
    pages = [("measured", front.rstrip() + "\n")]
    for part in parts:
        title = part.partition("\n")[0]
        lifted = re.sub(r"(?m)^##(#+ )", r"#\1", f"## {part}")
        pages.append((slug(title), re.sub(r"\A## ", "# ", lifted)))
    return pages


def anchors(root: Path) -> dict[str, str]:
    """Pages by what a link in a document may name, `FILE` or `FILE#heading`."""
    places = {source: f"{page}.md" for source, page in DOCUMENTS.items()}
    places |= {f"notebooks/{p.name}": f"notebooks/{p.name}" for p in notebooks(root)}
    howto = (root / "docs" / "howto").glob("*.md")
    places |= {f"docs/howto/{p.name}": f"howto/{p.name}" for p in howto}
    places |= {"README.md": "index.md", RESULTS: "results/index.md"}
    for name, text in results(root):
        titles = re.findall(r"(?m)^#+ (.+)$", _without_code(text))
        for title in titles:
            first = title == titles[0]
            where = f"results/{name}.md" + ("" if first else f"#{slug(title)}")
            places[f"{RESULTS}#{slug(title)}"] = where
    return places


def relink(text: str, source: str, page: str, places: dict[str, str]) -> str:
    """A text with links to pages of the site.

    A link to a file without a page becomes its text, and the path of the file.

    Args:
        text: Markdown.
        source: Path of the file in the repository.
        page: Path of its page.
        places: See `anchors`.
    """
    folder = posixpath.dirname(source)

    def changed(found: re.Match[str]) -> str:
        words, target = found[1], found[2]
        if re.match(r"[a-z]+:", target):
            return found[0]
        path, mark, heading = target.partition("#")
        file = posixpath.normpath(posixpath.join(folder, path)) if path else source
        place = places.get(f"{file}#{heading}") if heading else None
        if place is None and file in places:
            place = places[file] + (f"{mark}{heading}" if heading else "")
        if place is None:
            return f"{words} (`{file}`)"
        where, mark, heading = place.partition("#")
        if where == page and heading:
            return f"[{words}](#{heading})"
        start = posixpath.dirname(page)
        return f"[{words}]({posixpath.relpath(where, start)}{mark}{heading})"

    def image(found: re.Match[str]) -> str:
        return f"![{found[1]}](images/{posixpath.basename(found[2])})"

    parts = re.split(r"(?ms)(^```.*?^```$)", text)
    for i, part in enumerate(parts):
        if not part.startswith("```"):
            parts[i] = _IMAGE.sub(image, _LINK.sub(changed, part))
    return "".join(parts)


def slug(title: str) -> str:
    """The anchor of a heading, as GitHub and MyST make it.

    Examples:
        >>> slug("Horizon of the search of λ")
        'horizon-of-the-search-of-λ'
    """
    kept = re.sub(r"[^\w\s-]", "", title.replace("`", "").strip().lower())
    return kept.replace(" ", "-")


def titles_of_results(root: Path) -> Iterator[tuple[str, str]]:
    """Slug and title of every page of the results."""
    for name, text in results(root):
        yield name, text.partition("\n")[0].lstrip("# ")


def _without_code(text: str) -> str:
    return re.sub(r"(?ms)^```.*?^```$", "", text)
