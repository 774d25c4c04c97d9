"""What a run compiles: each program once for all stages with equal settings."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import jax
import optax

from autoreg_jax import hypergrad
from autoreg_jax.bilevel import (
    PairBatch,
    SearchAlgorithm,
    SearchProblem,
    architecture_problem,
    checked_estimator,
    make_search,
    objective_problem,
    over_pairs,
    with_leaking_lambda,
)
from autoreg_jax.config import RunConfig, SearchConfig, TrainConfig
from autoreg_jax.hypergrad import HypergradientEstimator
from autoreg_jax.losses import Objective, image_terms
from autoreg_jax.programs._compiled import (
    STRAIGHT,
    compiled_estimator,
    compiled_gradient,
    compiled_problem,
    make_estimator,
)
from autoreg_jax.programs._layout import Layout, layout_of, of_vector, on_vector
from autoreg_jax.programs._measures import alpha_curvature, levels_of, pair_dice
from autoreg_jax.programs._network import Network, NetworkFamily, network_family
from autoreg_jax.programs._objective import (
    initial_lambda,
    make_judge,
    make_objective,
    on_smaller_images,
    programs_part,
)
from autoreg_jax.programs._optimizers import (
    compiled_update,
    make_omega_optimizer,
    make_outer_optimizer,
)
from autoreg_jax.programs._pair_loss import pair_loss
from autoreg_jax.programs._policy import with_policy
from autoreg_jax.programs._stage import Stage
from autoreg_jax.programs._training import training_algorithm
from autoreg_jax.search_space import CANDIDATES, ArchitectureLogits, Candidate
from autoreg_jax.training import TrainingAlgorithm


class Programs:
    """The compiled pieces of searches and trainings of one network and objective.

    A piece is built when it is first needed and kept in this object, so that a training
    reuses the gradient of the search before it. Searches and trainings may share one
    object if they differ in seeds, pairs, steps and rates alone (`fits`).

    Args:
        config: The run.
        ndim: Number of spatial axes, 2 or 3.
        network: Makes mixed and discrete networks; default: as the configuration says.
        objective: L_reg; default: that of the configuration.
        estimator: Hypergradient estimator of every stage; default: those of the
            configuration.
        channels: Images of each subject.
        in_one_program: Compile the steps of a search or training as one program, or
            their parts alone; default: what is faster, see `runs_in_one_program`.

    Raises:
        ConfigError: If the similarity is unknown, or if the estimator is none.
    """

    def __init__(
        self,
        config: RunConfig,
        ndim: int,
        *,
        network: NetworkFamily | None = None,
        objective: Objective | None = None,
        estimator: HypergradientEstimator | None = None,
        channels: int = 1,
        in_one_program: bool | None = None,
    ) -> None:
        self.config, self.ndim, self.channels = config, ndim, channels
        self.make_network = network or network_family(config)
        self.objective = objective or make_objective(config)
        self.estimator = None if estimator is None else checked_estimator(estimator)
        self.in_one_program = in_one_program
        self.is_own = network is not None or objective is not None
        self._pieces: dict[Hashable, Any] = {}

    def fits(self, config: RunConfig, ndim: int, channels: int = 1) -> bool:
        """Whether these programs are those of another run."""
        own = programs_part(self.config), self.ndim, self.channels
        return (programs_part(config), ndim, channels) == own

    @property
    def mixed(self) -> Network:
        """The network of which α is searched."""
        return self.once("mixed", lambda: self.make_network(None))

    @property
    def candidates(self) -> Sequence[Candidate]:
        """The operations among which α chooses."""
        return getattr(self.mixed, "candidates", CANDIDATES)

    def layout(self, network: Network) -> Layout:
        """Where each weight of a network lies in the vector ω."""
        images = self.ndim, self.channels
        return self.once(("layout", network), lambda: layout_of(network, *images))

    def search(
        self, stage: Stage, network: Network | None = None, *, is_plain: bool = False
    ) -> SearchAlgorithm:
        """Algorithm 1 with the three Optax optimizers of a stage.

        ω is a vector. If the stage averages validation pairs, its validation batch is a
        tuple. The functions are called as they are: their expensive parts are compiled.

        Args:
            stage: Of α, or of λ.
            network: The network of a stage of λ; None for a stage of α.
            is_plain: Nothing is compiled: the functions are parts of a larger program.
        """
        settings, quirks = stage.settings, self.config.quirks
        make_problem = self.plain_problem if is_plain else self.problem
        problem = make_problem(network, stage.search)
        if settings.valid_pairs > 1:
            problem = over_pairs(problem, is_scanned=is_plain)
        finish = (lambda optimizer: optimizer) if is_plain else compiled_update
        kind = {
            "is_relative": stage.is_of_lambda and stage.search.lam_steps == "relative",
            "positive": stage.search.positive if stage.is_of_lambda else "none",
        }
        outer = make_outer_optimizer(settings, stage.search.outer_epsilon, **kind)
        outer = with_policy(outer, self.config.divergence)
        if not is_plain:  # its numbers are part of its state
            key = ("outer", *kind.values())
            update = self.once(key, lambda: jax.jit(outer.update))
            outer = outer._replace(update=update)
        omega = self.omega_optimizer(stage, network, is_plain=is_plain)
        algorithm = make_search(
            problem,
            self._estimator(stage, network, is_plain=is_plain),
            hypergrad.gradient_descent(stage.look_ahead_learning_rate),
            omega,
            outer,
        )
        if stage.is_of_lambda and quirks.lam_descends:
            leak = optax.adam(stage.omega_learning_rate)
            leak = finish(with_policy(leak, self.config.divergence))
            return with_leaking_lambda(algorithm, leak)
        return algorithm

    def omega_optimizer(
        self, stage: Stage, network: Network | None = None, *, is_plain: bool = False
    ) -> optax.GradientTransformation:
        """How ω moves in a stage; the arguments are those of `search`."""
        is_clipped = not stage.is_of_lambda
        rate, layout = stage.omega_learning_rate, self.layout(network or self.mixed)
        clip = self.config.quirks.gradient_clip if is_clipped else 0.0
        settings = rate, layout, stage.search.omega_steps, clip

        def make() -> optax.GradientTransformation:
            optimizer = make_omega_optimizer(*settings)
            optimizer = with_policy(optimizer, self.config.divergence)
            return optimizer if is_plain else compiled_update(optimizer)

        key = ("search", network or self.mixed, rate, *settings[2:], is_plain)
        return self.once(key, make)

    def training(
        self, network: Network, settings: TrainConfig, *, is_plain: bool = False
    ) -> TrainingAlgorithm:
        """Adam on L_reg; the batch of its step is `(PairBatch, λ)`, ω a vector.

        In one direction the gradient is the program of the search of λ. With
        `is_plain` nothing is compiled.
        """

        def make() -> TrainingAlgorithm:
            terms = self._training_terms(network, settings, is_plain=is_plain)
            layout = self.layout(network)
            policy = self.config.divergence
            return training_algorithm(
                terms, layout, settings, policy, is_plain=is_plain
            )

        return make() if is_plain else self.once(("training", network, settings), make)

    def problem(
        self, network: Network | None = None, search: SearchConfig | None = None
    ) -> SearchProblem:
        """A bilevel problem on the vector ω, with compiled derivatives.

        Args:
            network: The network of which λ is searched, Eq. (7); None for the mixed
                network and α, Eq. (6).
            search: Names the judge of λ; default: as the configuration says.
        """
        search = search or self.config.search
        plain = self.plain_problem(network, search)
        return self.once(
            ("problem", network, search.judge, search.folding_budget),
            lambda: compiled_problem(plain, self._terms(network)),
        )

    def plain_problem(
        self, network: Network | None = None, search: SearchConfig | None = None
    ) -> SearchProblem:
        """The same problem, not compiled: a part of a larger program."""
        config, search = self.config, search or self.config.search
        if network is None:
            problem = architecture_problem(
                self.mixed,
                on_smaller_images(self.objective, search.shrink),
                image_terms(initial_lambda(config)),
                has_summed_terms=config.quirks.summed_terms,
            )
        else:
            judge = make_judge(config, search)
            problem = objective_problem(network, self.objective, judge=judge)
        return on_vector(problem, self.layout(network or self.mixed))

    def curvature(
        self, parts: tuple[str, ...]
    ) -> Callable[[Any, ArchitectureLogits, PairBatch], Any]:
        """Largest eigenvalue of ∇²_α L_val over parts of α, `(omega, alpha, batch)`."""
        key = ("curvature", parts)
        return self.once(key, lambda: alpha_curvature(self.plain_problem(), parts))

    def levels(self, network: Network) -> Callable[..., Any]:
        """Displacements of all levels, `(omega, moving, fixed) -> {level: field}`."""
        key = ("levels", network)
        return self.once(key, lambda: levels_of(network, self.layout(network)))

    def dice(self, network: Network, num_structures: int) -> Callable[..., Any]:
        """Mean Dice of one pair, `(omega, images, labels, moving, fixed) -> scalar`.

        `images` and `labels` are those of all subjects, `moving` and `fixed` arrays of
        one index.
        """
        layout, key = self.layout(network), ("dice", network, num_structures)
        return self.once(key, lambda: pair_dice(network, layout, num_structures))

    def _terms(self, network: Network | None) -> Callable[..., Any]:
        """L_reg and its terms, with one compiled gradient for all that ask for it."""
        return self.once(
            ("terms", network),
            lambda: compiled_gradient(self.plain_problem(network).inner_terms),
        )

    def _training_terms(
        self, network: Network, settings: TrainConfig, *, is_plain: bool
    ) -> Callable[..., Any]:
        """The loss of a training step and its terms, `(omega, λ, batch)`."""
        if settings.directions == "one" and not settings.augment.is_used:
            if is_plain:
                return self.plain_problem(network).inner_terms
            return self._terms(network)
        loss = pair_loss(network, self.objective, settings)
        loss = of_vector(loss, self.layout(network))
        if is_plain:
            return loss
        key = ("training terms", network, settings.directions, settings.augment)
        return self.once(key, lambda: compiled_gradient(loss))

    def _estimator(
        self, stage: Stage, network: Network | None, *, is_plain: bool
    ) -> HypergradientEstimator:
        """One program for both stages of α, if the estimator is compiled as a whole."""
        settings = stage.hypergradient
        rate = stage.look_ahead_learning_rate
        estimator = self.estimator or make_estimator(settings, rate)
        is_straight = settings.name in STRAIGHT and self.estimator is None
        is_straight = is_straight and settings.mixed != "reverse_over_forward"
        if is_plain or is_straight:
            return estimator
        is_averaged = stage.settings.valid_pairs > 1

        def make() -> HypergradientEstimator:
            problem = self.plain_problem(network, stage.search)
            if is_averaged:
                problem = over_pairs(problem, is_scanned=True)
            look_ahead = hypergrad.gradient_descent(rate)
            return compiled_estimator(estimator, problem.bilevel, look_ahead)

        judge = (stage.search.judge, stage.search.folding_budget)
        return self.once(
            ("estimator", settings, rate, network, judge, is_averaged), make
        )

    def once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What was made for this key before, or what is made now."""
        if key not in self._pieces:
            self._pieces[key] = make()
        return self._pieces[key]
