"""What the verbs that work on a run have in common: its settings and its data."""

from pathlib import Path
from typing import Annotated

import tyro

Run = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
Data = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="DATASET")]
Output = Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="RUN")]
Config = Annotated[str | None, tyro.conf.arg(metavar="NAME|FILE")]
Overrides = Annotated[
    tyro.conf.UseAppendAction[tuple[tuple[str, ...], ...]],
    tyro.conf.arg(name="set", metavar="NAME=VALUE ..."),
]
Estimators = Annotated[
    tuple[str, ...], tyro.conf.arg(name="hypergradient", metavar="NAME|STAGE=NAME ...")
]

Minutes = Annotated[float | None, tyro.conf.arg(metavar="MINUTES")]
