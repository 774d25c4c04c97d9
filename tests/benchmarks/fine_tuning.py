"""The learning rate of a training that starts from a model, on tiny planes.

    python -m tests.benchmarks.fine_tuning

A small pyramid is trained on blobs, then on blobs of inverted contrast for some steps
at parts of its rate from scratch. Mean loss of held-out pairs of the latter; lower is
better.
"""

import argparse
import itertools

import jax
import jax.numpy as jnp
import numpy as np
from scipy.ndimage import gaussian_filter

from autoreg_jax import config
from autoreg_jax.bilevel import PairBatch
from autoreg_jax.programs import (
    Programs,
    initial_lambda,
    initial_vector,
    make_structure,
)
from autoreg_jax.search_space import Genotype

SIZE = 32
SMALL = {
    "network": {"scales": 3, "feature_channels": [8], "deformation_channels": [8, 8]},
    "objective": {"windows": [5, 5, 3]},
}


def blobs(count: int, seed: int, *, is_inverted: bool) -> np.ndarray:
    """Images of two blobs of two sizes in different places, and a little noise."""
    rng = np.random.default_rng(seed)
    grid = np.indices((SIZE, SIZE))
    images = 0.02 * rng.random((count, SIZE, SIZE, 1), np.float32)
    for image, (value, radius) in itertools.product(images, ((0.4, 9), (0.8, 5))):
        centre = rng.uniform(0.4 * SIZE, 0.6 * SIZE, (2, 1, 1))
        image[np.sum((grid - centre) ** 2, 0) < radius**2] = value
    images = gaussian_filter(images, (0, 1, 1, 0))
    return 1 - images if is_inverted else images


def main() -> None:
    """Print a line for each seed and number of steps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=int, default=200, help="steps of the model")
    parser.add_argument("--steps", type=int, nargs="*", default=[20, 80])
    parser.add_argument("--parts", type=float, nargs="*", default=[1.0, 0.3, 0.1])
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    run = config.merge(config.load("compact"), SMALL)
    programs, lam = Programs(run, 2), initial_lambda(run)
    genotype = Genotype.uniform("conv_3", make_structure(run).cells)
    network = programs.make_network(genotype)
    layout = programs.layout(network)
    terms = programs.problem(network).inner_terms
    subjects = {
        "before": blobs(20, 1, is_inverted=False),
        "after": blobs(20, 2, is_inverted=True),
        "test": blobs(5, 3, is_inverted=True),
    }

    def pair(name: str, moving: int, fixed: int) -> PairBatch:
        images = jnp.asarray(subjects[name][[moving, fixed]])
        return PairBatch(images[:1], images[1:])

    def trained(omega: jax.Array, name: str, steps: int, rate: float, seed: int):
        settings = {"steps": steps, "learning_rate": rate}
        algorithm = programs.training(network, config.TrainConfig(**settings))
        state, rng = algorithm.init(omega), np.random.default_rng(seed)
        for _ in range(steps):
            batch = pair(name, *rng.choice(20, 2, replace=False))
            state, _ = algorithm.step(state, (batch, lam))
        return state.params

    def loss(omega: jax.Array) -> float:
        pairs = itertools.permutations(range(5), 2)
        return np.mean([terms(omega, lam, pair("test", *both))[0] for both in pairs])

    rate = run.train.learning_rate
    parts = [f"× {part:g}" for part in options.parts]
    print(f"| seed | steps | model | from scratch | {' | '.join(parts)} |")
    print(f"| --- | --- | --- | --- |{' --- |' * len(parts)}", flush=True)
    for seed in range(options.seeds):
        random = initial_vector(network, 2, layout, (seed, 0))
        model = trained(random, "before", options.before, rate, seed)
        for steps in options.steps:
            found = [model, trained(random, "after", steps, rate, seed)]
            for part in options.parts:
                found.append(trained(model, "after", steps, part * rate, seed))
            cells = " | ".join(f"{loss(omega):.3f}" for omega in found)
            print(f"| {seed} | {steps} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
