"""The whole pipeline on simulated subjects, so that a first run needs no data."""

from pathlib import Path

from autoreg_jax.config import RunConfig
from autoreg_jax.config import load as load_config
from autoreg_jax.data import write_population
from autoreg_jax.programs import NetworkFamily
from autoreg_jax.runtime import RunFolder
from autoreg_jax.workflows._auto import auto
from autoreg_jax.workflows.evaluation import Evaluation

# Voxel size in mm, so that a CPU learns either in minutes.
SPACING = {2: 2.0, 3: 4.0}


def demo(
    run: Path | str = Path("runs/demo"),
    *,
    dimensions: int = 3,
    config: RunConfig | None = None,
    resume: bool = False,
    overwrite: bool = False,
    network: NetworkFamily | None = None,
    with_report: bool = True,
) -> Evaluation:
    """Simulate a population from the ICBM 152 template and run `auto` on it.

    Args:
        run: Folder of the run; the subjects are written to its folder `data`.
        dimensions: 3, or 2 for an axial plane.
        config: The run; default: the preset `demo`.
        resume: Resume the run in this folder.
        overwrite: Move an existing run to previous-N.
        network: A network family of your own, as for `search`.
        with_report: Write report.html.

    Returns:
        The evaluation, also written to the folder.

    Raises:
        ValueError: If `dimensions` is neither 2 nor 3.
        DataError: If nilearn, which contains the template, is not installed.
        AutoRegError: As `auto`.
    """
    if dimensions not in SPACING:
        raise ValueError(f"dimensions must be 2 or 3, got {dimensions}.")
    config = load_config("demo") if config is None else config
    folder = RunFolder(run).claim(resume=resume, overwrite=overwrite)
    table = folder.data / "dataset.csv"
    if not (resume and table.is_file()):  # the table is written last
        table = write_population(
            folder.data,
            spacing=SPACING[dimensions],
            dimensions=dimensions,
            seed=config.seed,
        )
    return auto(
        table,
        folder.path,
        config,
        resume=resume,
        network=network,
        with_report=with_report,
    )
