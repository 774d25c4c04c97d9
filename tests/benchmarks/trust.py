"""How many registrations that cannot be right are flagged, and how many good ones.

    python -m tests.benchmarks.trust --data FOLDER -o rows.csv [--model brain]

Registers the pairs of `_doubtful_pairs.py`, writes a row for each as soon as it is
done, goes on where an earlier run has stopped, and prints shares with 95 % intervals
(Wilson) and, for the half that calibrates, the largest measure of the good pairs, above
which the thresholds of `inference.trust` lie. `--half 1` registers the held-out half
alone; `--only-table` registers nothing.
"""

import argparse
import csv
import math
import random
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from autoreg_jax import inference
from autoreg_jax.errors import AutoRegError
from autoreg_jax.inference.trust import THRESHOLDS
from autoreg_jax.runtime import enable_compilation_cache
from tests.benchmarks._doubtful_pairs import HALVES, Pair, pairs

COLUMNS = (
    *("half", "number", "model", "organ", "kind", "similarity", "name", "refused"),
    *("trust", "warnings", "seconds", *THRESHOLDS),
)
Row = Mapping[str, str]


def register(
    pair: Pair, model: inference.RegistrationModel | None, steps: int
) -> dict[str, object]:
    """A row of numbers; with a reason if the registration was refused."""
    begin = time.perf_counter()
    similarity = None if model else pair.similarity
    try:
        found = inference.register(
            pair.fixed,
            pair.moving,
            model=model,
            refine=0 if model else steps,
            similarity=similarity,
        )
    except AutoRegError as error:
        return {"refused": str(error)}
    assert found.trust is not None
    numbers = {"trust": found.trust.value, **found.trust.measures}
    return {
        **{name: f"{value:.5g}" for name, value in numbers.items()},
        "warnings": len(found.warnings),
        "seconds": f"{time.perf_counter() - begin:.1f}",
    }


def is_flagged(row: Row, *, with_warnings: bool = False) -> bool:
    """Whether the user is told that something is wrong."""
    measures = [float(row[name] or "inf") / limit for name, limit in THRESHOLDS.items()]
    warned = with_warnings and int(row["warnings"] or 1) > 0
    return bool(row["refused"]) or max(measures) >= 1 or warned


def interval(count: int, total: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    z, share = 1.96, count / total
    middle = share + z**2 / (2 * total)
    half = z * math.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    return (middle - half) / (1 + z**2 / total), (middle + half) / (1 + z**2 / total)


def show(rows: Sequence[Row]) -> None:
    """Shares by half, model and kind."""
    print("| half | model | kind | flagged | 95 % interval | or warned |")
    print("| --- | --- | --- | --- | --- | --- |")
    for half in HALVES:
        for model in ("none", "brain"):
            of = [r for r in rows if (r["half"], r["model"]) == (half, model)]
            kinds = sorted({row["kind"] for row in of} - {"good"})
            for kind in ("good", *kinds, "all bad", "all but left-right"):
                some = [row for row in of if _is_of(row["kind"], kind)]
                if some:
                    count = sum(map(is_flagged, some))
                    low, high = interval(count, len(some))
                    warned = sum(is_flagged(row, with_warnings=True) for row in some)
                    print(
                        f"| {half} | {model} | {kind} | {count} of {len(some)} | "
                        f"{100 * low:.0f} to {100 * high:.0f} % | {warned} |"
                    )
    good = [r for r in rows if (r["half"], r["kind"]) == (HALVES[0], "good")]
    for name, limit in THRESHOLDS.items():
        if good:
            print(name, "largest of good pairs", max(float(r[name]) for r in good))
            print(name, "threshold", limit)


def _is_of(kind: str, group: str) -> bool:
    if group == "all bad":
        return kind != "good"
    if group == "all but left-right":
        return kind not in ("good", "flipped left-right")
    return kind == group


def main() -> None:
    """Register and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--model", help="none, or a model of brains")
    parser.add_argument("--half", type=int, choices=(0, 1))
    parser.add_argument("--brains", type=int, default=5)
    parser.add_argument("--crops", type=int, default=6)
    parser.add_argument("--refine", type=int, default=30, help="steps without a model")
    parser.add_argument("--only-table", action="store_true")
    given = parser.parse_args()
    enable_compilation_cache()
    rows: list[Row] = []
    if given.output.exists():
        with given.output.open(newline="") as file:
            rows = list(csv.DictReader(file))
    else:
        with given.output.open("w", newline="") as file:
            csv.writer(file).writerow(COLUMNS)
    done = {(row["half"], row["number"], row["model"]) for row in rows}
    model = inference.load_model(given.model) if given.model else None
    name = given.model or "none"
    for half in (0, 1) if given.half is None else (given.half,):
        made = pairs(given.data, half, brains=given.brains, crops=given.crops)
        numbered = list(enumerate(made))
        # A run that ends early has some of each kind.
        random.Random(half).shuffle(numbered)
        for number, pair in numbered:
            key = HALVES[half], str(number), name
            is_other = model is not None and pair.organ != "brain"
            if given.only_table or key in done or is_other:
                continue
            about = dict(zip(("half", "number", "model"), key, strict=True))
            about |= {"organ": pair.organ, "kind": pair.kind, "name": pair.name}
            about |= {"similarity": pair.similarity}
            row = about | register(pair, model, given.refine)
            row = {column: str(row.get(column, "")) for column in COLUMNS}
            rows.append(row)
            with given.output.open("a", newline="") as file:
                csv.DictWriter(file, COLUMNS).writerow(row)
            print(*(row[c] for c in ("half", "organ", "kind", "trust")), flush=True)
    show(rows)


if __name__ == "__main__":
    main()
