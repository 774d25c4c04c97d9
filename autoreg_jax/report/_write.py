"""Write `report.html` into a RUN folder, once the extra packages are there."""

from importlib.util import find_spec
from pathlib import Path

from autoreg_jax.errors import AutoRegError
from autoreg_jax.files import write_text
from autoreg_jax.report._run import read_run


def check_extra() -> None:
    """Make sure that the packages of the extra `report` are installed.

    Raises:
        AutoRegError: If one is missing, with the command that installs it.
    """
    missing = [name for name in ("matplotlib", "jinja2") if find_spec(name) is None]
    if missing:
        raise AutoRegError(
            f"the report needs {' and '.join(missing)}, not installed here; "
            'run: pip install "autoreg_jax[report]"'
        )


def write_report(run: Path) -> Path:
    """Describe a RUN folder in one self-contained page.

    Parts whose files are absent are left out, each with a sentence that says so.
    The page holds its own style and images and asks nothing of the network.

    Args:
        run: RUN folder as written by `autoreg auto` or by its single steps.

    Returns:
        Path of the page, `run / "report.html"`; an older one is replaced.

    Raises:
        AutoRegError: If matplotlib or jinja2 is not installed.
        ArtifactError: If the folder is missing or holds no results, or if one of
            its files cannot be read.
    """
    check_extra()
    from autoreg_jax.report._page import render_page

    contents = read_run(Path(run))
    page = render_page(contents)
    return write_text(contents.path / "report.html", page)
