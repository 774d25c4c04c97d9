"""How the weights ω and the outer variables α and λ move: Optax transformations."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
import optax.contrib
from jax import Array

from autoreg_jax.bilevel import normalised_steps, of_log_ratios
from autoreg_jax.config import StageConfig
from autoreg_jax.programs._layout import Layout, on_tree

# Kernels and biases below this root mean square move as if they had it.
_SMALLEST_RMS = 0.05
# Momentum of orthogonal steps, and the root mean square of their updates before they
# are made relative: about that of Adam, so that both have the same good rates.
_MOMENTUM, _UPDATE_RMS = 0.9, 0.4
_TINY = 1e-20


def make_omega_optimizer(
    learning_rate: optax.ScalarOrSchedule,
    layout: Layout,
    steps: str = "relative",
    clip: float = 0.0,
    scale: optax.GradientTransformation | None = None,
) -> optax.GradientTransformation:
    """Adam on the vector of ω, its step `relative` to the size of each kernel.

    A step of one size for all weights that a small kernel needs to learn at all throws
    a kernel of 7³ taps, whose weights start ten times smaller, into divergence. Nor is
    the same part of each kernel the same to what comes out: smooth images add the
    changes of n taps up to n, their weights to √n. So kernels of more than 3 taps an
    axis move by √(3^d / n) of it, and all candidates of an edge learn alike. The paper
    takes one step for all, `absolute`, small enough for them and many of them.
    `orthogonal` steps are relative ones along `orthogonal_momentum` instead. The norm
    of the gradient is cut to `clip` before, unless that is 0. Updates are multiplied by
    the negative rate, or changed by `scale` instead.
    """
    if clip > 0:
        rest = make_omega_optimizer(learning_rate, layout, steps, scale=scale)
        return optax.chain(optax.clip_by_global_norm(clip), rest)
    scale = scale or optax.scale_by_learning_rate(learning_rate)
    if steps == "absolute":
        return optax.chain(optax.scale_by_adam(), scale)
    # A second moment over a hundred steps forgets the still fields of the start.
    direction = optax.scale_by_adam(b2=0.99)
    if steps == "orthogonal":
        direction = on_tree(orthogonal_momentum(), layout)
    return optax.chain(
        direction,
        on_tree(optax.scale_by_param_block_rms(_SMALLEST_RMS), layout),
        on_tree(optax.stateless(_by_taps), layout),
        scale,
    )


def orthogonal_momentum() -> optax.GradientTransformation:
    """Muon: the momentum of a kernel, with all of its singular values set to one.

    A kernel counts as a matrix from its taps and channels to its features. Adam moves
    the biases and the kernels that end in the components of a velocity, one for each
    axis (K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks",
    2024).
    """

    def dimensions(tree: Any) -> Any:
        def of(kernel: Any) -> optax.contrib.MuonDimensionNumbers:
            *inputs, output = range(kernel.ndim)
            return optax.contrib.MuonDimensionNumbers(tuple(inputs), output)

        return jax.tree.map(of, tree)

    def kind(array: Any) -> str:
        is_hidden = array.ndim > 2 and array.shape[-1] > array.ndim - 2
        return "muon" if is_hidden else "adam"

    muon = optax.chain(
        optax.contrib.scale_by_muon(
            beta=_MOMENTUM, weight_dimension_numbers=dimensions
        ),
        optax.stateless(_of_size),
    )
    adam = optax.scale_by_adam(b2=0.99)
    kinds = lambda tree: jax.tree.map(kind, tree)  # noqa: E731
    return optax.partition({"muon": muon, "adam": adam}, kinds)


def _of_size(updates: Any, params: Any) -> Any:
    """Updates of one root mean square."""
    del params

    def scaled(update: Array) -> Array:
        mean_square = jnp.mean(update**2)
        return update * (_UPDATE_RMS * jax.lax.rsqrt(mean_square + _TINY))

    return jax.tree.map(scaled, updates)


def compiled_update(
    optimizer: optax.GradientTransformation,
) -> optax.GradientTransformation:
    """The same optimizer, whose update is one program."""
    return optax.GradientTransformation(optimizer.init, jax.jit(optimizer.update))


def _by_taps(updates: Any, params: Any) -> Any:
    """Shorter steps of kernels with many taps."""
    del params

    def shortened(update: jax.Array) -> jax.Array:
        *taps, _, _ = (1, 1, *update.shape)
        usual = 3 ** len([size for size in taps if size > 1])
        return update * min(1.0, math.sqrt(usual / math.prod(taps)))

    return jax.tree.map(shortened, updates)


def make_outer_optimizer(
    stage: StageConfig,
    epsilon: float,
    *,
    is_relative: bool,
    positive: str = "none",
) -> optax.GradientTransformation:
    """Adam; with `is_relative` each weight of λ moves in proportion to its size.

    The numbers of the optimizer are part of its state, so one compiled update serves
    both stages of α. Relative steps let no weight fall below zero. With `positive`,
    "exp" or "softplus", Adam moves the logarithm or the inverse softplus of a positive
    λ; with "log_ratio" one normaliser moves its log ratios.
    """
    if positive == "log_ratio":
        steps = optax.inject_hyperparams(normalised_steps)
        return of_log_ratios(steps(stage.learning_rate, stage.beta1, stage.beta2))
    is_reparametrised = positive != "none"
    optimizer = optax.inject_hyperparams(_adam, "is_relative")(
        stage.learning_rate,
        stage.beta1,
        stage.beta2,
        epsilon,
        is_relative=is_relative and not is_reparametrised,
    )
    if is_reparametrised:
        return reparametrised(optimizer, positive)
    if is_relative:
        # A negative weight would reward a bad match or a rough field without bound.
        optimizer = optax.chain(optimizer, optax.keep_params_nonnegative())
    return optimizer


def _adam(
    learning_rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    *,
    is_relative: bool,
) -> optax.GradientTransformation:
    """Adam; relative steps drive no weight of λ to zero."""
    relative = optax.scale_by_param_block_rms() if is_relative else optax.identity()
    return optax.chain(
        optax.scale_by_adam(beta1, beta2, eps=epsilon),
        relative,
        optax.scale_by_learning_rate(learning_rate),
    )


# A weight that has underflowed to zero could not come back.
_SMALLEST = 1e-6


class _Form(NamedTuple):
    """λ = f(θ): the function, its inverse, and its derivative as a function of λ."""

    forward: Any
    inverse: Any
    slope: Any


def _inverse_softplus(lam: Array) -> Array:
    return lam + jnp.log(-jnp.expm1(-lam))


_FORMS = {
    "exp": _Form(jnp.exp, jnp.log, lambda lam: lam),
    "softplus": _Form(jax.nn.softplus, _inverse_softplus, lambda lam: -jnp.expm1(-lam)),
}


def reparametrised(
    optimizer: optax.GradientTransformation, form: str
) -> optax.GradientTransformation:
    """An optimizer of θ as one of the weights λ = f(θ), f "exp" or "softplus".

    The gradient goes through f by the chain rule, ∂L/∂θ = f′(θ) ∂L/∂λ, and the update
    is f(θ + Δθ) − λ: problems, estimators and records know λ alone. Weights below 1e-6
    count as that.
    """
    forward, inverse, slope = _FORMS[form]

    def hidden(lam: Any) -> tuple[Any, Any]:
        lam = jax.tree.map(lambda weight: jnp.maximum(weight, _SMALLEST), lam)
        return lam, jax.tree.map(inverse, lam)

    def init(params: Any) -> Any:
        return optimizer.init(hidden(params)[1])

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        lam, theta = hidden(params)
        gradient = jax.tree.map(lambda g, weight: slope(weight) * g, updates, lam)
        moves, state = optimizer.update(gradient, state, theta)
        moved = jax.tree.map(lambda one, move: forward(one + move), theta, moves)
        return jax.tree.map(lambda new, old: new - old, moved, params), state

    return optax.GradientTransformation(init, update)
