"""How the minimum of a refinement answers to the weight of its smoothness."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from autoreg_jax.bilevel import Judge, PairBatch
from autoreg_jax.hypergrad import (
    BilevelProblem,
    Point,
    conjugate_gradient,
    gradient_descent,
)
from autoreg_jax.inference._model import RegistrationModel
from autoreg_jax.inference.optimisation import (
    SMOOTHNESS,
    Level,
    descend,
    displacements,
    level_loss,
    pair_levels,
    velocity_step,
)
from autoreg_jax.losses import Similarity, find_similarity
from autoreg_jax.runtime import in_single_precision
from autoreg_jax.spatial import half_shape, resize_displacement

# Learning rates of the descents that follow each other, voxels of half resolution.
_RATES = (0.1, 0.02, 0.005)
# Adam's ε where the gradient of the energy is that of a voxel: below it the steps are
# those of gradient descent, which ends at a minimum and does not circle around it.
_EPSILON = 1e-3
# Of the linear system; the smoothest fields have a curvature of about 0.05 w.
_ITERATIONS, _DAMPING = 100, 1e-3
# Largest gradient at a minimum, as a share of that before the refinement.
_CONVERGED = 0.02
# Largest relative residual of the linear system.
_SOLVED = 0.1


class AtMinimum(NamedTuple):
    """What a judge says of a minimum, and how the minimum answers.

    Attributes:
        control: The minimum.
        judged: The outer loss there.
        derivative: Its total derivative by the outer variable.
        gradient_left: Norm of the gradient of the inner loss, as a share of that at
            zero; 0 if both vanish.
        residual: Of the linear system, relative.
        is_minimum: Whether the gradient is small enough, no direction was met in which
            the damped energy curves down, and the linear system is solved. Elsewhere
            the derivative is that of nothing.
    """

    control: Array
    judged: Array
    derivative: Array
    gradient_left: Array
    residual: Array
    is_minimum: Array


def at_minimum(
    problem: BilevelProblem, start: Array, outer: Array, batch: Any, *, steps: int
) -> AtMinimum:
    """Descend to a minimum of the inner loss and differentiate the outer loss there.

    dJ/dθ = ∂_θ J − ∂²_{θc} E · (∇²_c E + δI)⁻¹ ∇_c J at ∇_c E = 0 (implicit function
    theorem), by conjugate gradients with δ = 0.001.

    Args:
        problem: E and J, `(control, outer, batch) -> scalar`; E in units in which 0.001
            is a small curvature.
        start: Where the descent begins, such as the minimum of another weight.
        outer: θ, a scalar.
        batch: For both losses.
        steps: Most steps of Adam at each of three learning rates, ≥ 1.
    """

    def energy(control: Array) -> Array:
        return problem.inner_loss(control, outer, batch)

    def again(control: Array, rate: Array) -> tuple[Array, None]:
        found = descend(
            energy,
            control,
            control,
            num_iterations=steps,
            learning_rate=rate,
            eps=_EPSILON,
        )
        return found.best, None

    control, _ = jax.lax.scan(again, start, jnp.asarray(_RATES, start.dtype))
    ends = jnp.stack([jnp.zeros_like(control), control])
    first, last = jax.lax.map(lambda x: jnp.linalg.norm(jax.grad(energy)(x)), ends)
    left = jnp.where(last > 0, last / jnp.where(first > 0, first, last), 0.0)
    hyper, _ = conjugate_gradient(_ITERATIONS, _DAMPING).estimate(
        problem,
        (),
        Point(control, outer, batch, batch),
        inner_update=gradient_descent(1.0),
    )
    found = hyper.diagnostics
    is_minimum = (left <= _CONVERGED) & ~found["negative_curvature"]
    is_minimum &= jnp.isfinite(hyper.grad)
    residual = found["residual"]
    is_minimum &= residual <= _SOLVED
    return AtMinimum(control, hyper.value, hyper.grad, left, residual, is_minimum)


def refinement_problem(
    judge: Judge, similarity: Similarity, smoothness: float
) -> BilevelProblem:
    """The refinement of a pair inside, a judge outside; the outer variable is log w/w₀.

    The energy is that of `register_pair` at its finest level, times the number of
    unknowns. Images are interpolated by cubic convolution: linear interpolation has a
    kink at every voxel, in which minima lie, and there the gradient does not vanish.

    Args:
        judge: The outer loss.
        similarity: What the level is compared by, see `pair_levels`.
        smoothness: w₀.

    Returns:
        The problem; batches are `(Level, PairBatch)`.
    """

    def energy(control: Array, log_factor: Array, batch: Any) -> Array:
        level, _ = batch
        weight = smoothness * jnp.exp(log_factor)
        velocity = velocity_step(control)
        loss = level_loss(level, velocity, weight, similarity, interpolation="cubic")
        return control.size * loss

    def judged(control: Array, log_factor: Array, batch: Any) -> Array:
        del log_factor
        level, pair = batch
        velocity = velocity_step(control)
        displacement, _ = displacements(velocity, level.start, level.space)
        space = pair.fixed.shape[1:-1]
        if level.space != space:
            displacement = resize_displacement(displacement, space)
        return judge(pair, displacement)

    return BilevelProblem(energy, judged)


class RefinementDerivative:
    """The derivative of a judge by log w, w the smoothness of a model's refinement.

    Args:
        model: The model, whose own smoothness is the unit of w.
        judge: The outer loss, see `bilevel`.
        steps: Most steps of each of three descents to the minimum, ≥ 1.
        compiler_options: As of `jax.jit`.
    """

    def __init__(
        self,
        model: RegistrationModel,
        judge: Judge,
        *,
        steps: int,
        compiler_options: Any = None,
    ) -> None:
        self._model, self._judge, self._steps = model, judge, steps
        self._options, self._compiled = compiler_options, None

    @in_single_precision
    def __call__(
        self, pair: PairBatch, log_factor: float, control: Array | None = None
    ) -> AtMinimum:
        """The derivative for one pair.

        Args:
            pair: Images of the model's grid, `(1, *space, 1)`, and what the judge
                looks at.
            log_factor: log w.
            control: Where the descent begins; default: at the network's answer.
        """
        about = self._model.description
        start = self._model.start(self._model(pair.moving, pair.fixed))
        start = resize_displacement(start, half_shape(pair.fixed.shape[1:-1]))
        spacing = jnp.asarray(about.spacing, pair.fixed.dtype)
        whole = Level(pair.fixed, pair.moving, None, None, start, spacing)
        levels, _, similarity = pair_levels(whole, find_similarity(about.similarity))
        level = levels[0]
        if self._compiled is None:
            weight = SMOOTHNESS * about.smoothness
            problem = refinement_problem(self._judge, similarity, weight)
            function = partial(at_minimum, problem, steps=self._steps)
            self._compiled = jax.jit(function, compiler_options=self._options)
        if control is None:
            shape = (1, *half_shape(level.space), len(level.space))
            control = jnp.zeros(shape, pair.fixed.dtype)
        return self._compiled(control, jnp.float32(log_factor), (level, pair))
