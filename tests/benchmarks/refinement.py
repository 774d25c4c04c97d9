"""The smoothness of the refinement, searched by implicit differentiation, and tested.

    python -m tests.benchmarks.refinement RUN -o OUT --moves 4 --pairs 6 --test 40

RUN has a finished training. Its validation pairs choose the weight, others decide;
then test pairs are refined with the weight of the training and with the one that was
found, whatever was decided. `--check` pairs are solved again at 1.22 and 1/1.22 times
the weight (±0.2 of its logarithm), from the minimum: the difference of the judge there
is what the derivative should be. `--factor` makes the start worse: the smoothness of
λ is multiplied by it. A repeated command keeps the search.
"""

import argparse
import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from autoreg_jax import config, workflows
from autoreg_jax.files import read_json
from autoreg_jax.inference import RefinementDerivative, load_model
from autoreg_jax.programs import make_judge, quick_compilation, with_judge
from autoreg_jax.runtime import RunFolder
from autoreg_jax.workflows._pairs import scored_pairs
from autoreg_jax.workflows._stored import dataset_of
from autoreg_jax.workflows.refinement._search import _compared
from autoreg_jax.workflows.trials import Judging

STEP = 0.2


def checked(model, validation, run, count: int) -> None:
    """Print derivatives and finite differences of pairs."""
    settings = run.evaluate.refine.search
    derivative = RefinementDerivative(
        model,
        make_judge(run, run.search),
        steps=settings.steps,
        compiler_options=quick_compilation(),
    )
    pairs = scored_pairs(validation, run, count)
    rows = []
    for batch, _ in Judging(validation, run, pairs).batches:
        begin = time.monotonic()
        here = derivative(batch, 0.0)
        float(here.derivative)
        seconds = time.monotonic() - begin
        ends = [derivative(batch, s, here.control) for s in (STEP, -STEP)]
        slope = float(ends[0].judged - ends[1].judged) / (2 * STEP)
        rows.append((float(here.derivative), slope))
        print(
            f"  derivative {rows[-1][0]:+.5f}, solved again {slope:+.5f}; minimum "
            f"{bool(here.is_minimum)}, gradient left {float(here.gradient_left):.0e}, "
            f"residual {float(here.residual):.0e}, {seconds:.0f} s",
            flush=True,
        )
    told, solved = np.transpose(rows)
    same = int(np.sum(told * solved > 0))
    print(
        f"mean {told.mean():+.5f}, solved again {solved.mean():+.5f}; {same} of "
        f"{len(rows)} signs, correlation {np.corrcoef(told, solved)[0, 1]:.2f}"
    )


def main() -> None:
    """Search, decide, test, check."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--dataset", type=Path)
    for name, value in (("moves", 4), ("pairs", 6), ("steps", 200), ("test", 40)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--check", type=int, default=0)
    parser.add_argument("--factor", type=float, default=1.0)
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    options = parser.parse_args()
    run = config.override(workflows.config_of(options.run), options.set)
    names = ("moves", "pairs", "steps")
    search = {name: getattr(options, name) for name in names}
    steps = run.evaluate.refine.steps or 100
    refine = {"steps": steps, "search": search}
    run = config.merge(run, {"evaluate": {"refine": refine}})
    source = dataset_of(RunFolder(options.run), options.dataset)
    prepared = workflows.prepare_again(source, options.run, run, "validation", "test")
    (validation, test), run = prepared.cohorts, prepared.config
    run = with_judge(run, validation)
    model = load_model(options.run)
    lam = dict(model.description.lam)
    lam["smooth"] *= options.factor
    model = replace(model, description=replace(model.description, lam=lam))
    options.output.mkdir(parents=True, exist_ok=True)
    if options.check:
        checked(model, validation, run, options.check)
    workflows.search_refinement(validation, model, run, run=options.output)
    found = read_json(options.output / "refinement.json")
    for move in found["moves"]:
        print(
            f"{math.exp(move['log_factor']):.3g} times the smoothness: judge "
            f"{move['judged']:.4f}, derivative {move['derivative']:+.5f} ± "
            f"{move['error']:.5f}, {move['pairs']} pairs at a minimum"
        )
    print(f"found {found['found']}, {found['seconds']:.0f} s")
    print(f"validation: {found['gain']}, folds {found['folding_percent']} %")
    if found["found"] in (None, 1.0):
        return
    judging = Judging(test, run, scored_pairs(test, run, options.test))
    plain = replace(model, description=replace(model.description, refine_smoothness=1))
    compared, folds = _compared(judging, plain, run, found["found"])
    print(f"{len(judging.pairs)} test pairs: {compared}, folds {folds} %")


if __name__ == "__main__":
    main()
