"""What a caller brings: looked at by its shapes, before JAX meets it deep inside.

Every `BilevelProblem`, `HypergradientEstimator` and `Algorithm` looks at what it is
given through these functions, those of a user as well. Nothing is computed.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import Tracer

from autoreg_jax.hypergrad._dependence import depends_on

_LONGEST = 300
"""Letters of a tree in a message."""


def check_floats(**trees: Any) -> None:
    """Refuse leaves that have no derivative, by the name of the tree and their path.

    Raises:
        ValueError: If a leaf is no array or not of real floating-point numbers, or a
            tree has none.
    """
    for name, tree in trees.items():
        if not jax.tree.leaves(tree):
            raise ValueError(
                f"{name} must hold at least one array, found {described(tree)}."
            )
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
            if not _is_real(leaf):
                raise ValueError(
                    f"{name}{jax.tree_util.keystr(path)} must be an array of "
                    f"floating-point numbers, which have derivatives, found "
                    f"{_kind(leaf)}. Write 1.0 for 1; counters, indices, keys and "
                    "settings belong in the batch."
                )


def checked_loss(name: str, loss: Callable[..., Any]) -> Callable[..., Any]:
    """The same loss, whose value is looked at.

    The returned function raises `ValueError` if the value is not one real number, and
    notes what it was called with on whatever the loss raises.
    """
    if hasattr(loss, "_is_checked") or not callable(loss):
        return loss

    @wraps(loss)
    def checked(*args: Any, **named: Any) -> Any:
        try:
            value = loss(*args, **named)
        except Exception as error:
            _note(error, name, (*args, *named.values()))
            raise
        if not _is_leaf(value) or jnp.shape(value) or not _is_real(value):
            raise ValueError(
                f"{name} must return its value alone, one floating-point number, found "
                f"{described(value)}. {_remedy(value)}"
            )
        return value

    vars(checked)["_is_checked"] = True
    return checked


def check_kind(name: str, given: Any, kind: type) -> None:
    """Refuse an argument of another type.

    Raises:
        ValueError: If it is one.
    """
    if not isinstance(given, kind):
        fields = ", ".join(getattr(kind, "_fields", ()))
        raise ValueError(
            f"{name} must be a {kind.__name__}({fields}), found a "
            f"{type(given).__name__}: {described(given)}."
        )


def check_problem(problem: Any, kind: type) -> None:
    """Refuse what is no bilevel problem, or one whose losses are no functions.

    Raises:
        ValueError: If it is one.
    """
    check_kind("problem", problem, kind)
    for name in ("inner_loss", "outer_loss"):
        loss = getattr(problem, name)
        if not callable(loss):
            raise ValueError(
                f"{name} must be a function (inner, outer, batch) -> number, found "
                f"{described(loss)}."
            )


def check_pair(what: str, found: Any, kind: type, second: str) -> None:
    """Refuse what is no pair whose first part is of a type; any weights are an object.

    Raises:
        ValueError: If it is none.
    """
    if type(found) is not tuple or len(found) != 2 or not isinstance(found[0], kind):
        first = "inner" if kind is object else kind.__name__
        raise ValueError(
            f"{what} must return a pair ({first}, {second}), found a "
            f"{type(found).__name__}: {described(found)}."
        )


def check_same(what: str, found: Any, expected: Any, remedy: str) -> None:
    """Refuse a tree of another structure or other shapes than expected.

    Raises:
        ValueError: If they differ, with the first place where they do.
    """
    if jax.tree.structure(found) != jax.tree.structure(expected):
        raise ValueError(
            f"{what} has another structure than it should: found {described(found)}, "
            f"expected {described(expected)}. {remedy}"
        )
    pairs = zip(
        jax.tree_util.tree_leaves_with_path(found),
        jax.tree.leaves(expected),
        strict=True,
    )
    for (path, leaf), wanted in pairs:
        if jnp.shape(leaf) != jnp.shape(wanted):
            where = jax.tree_util.keystr(path)
            raise ValueError(
                f"{what}{where} has another shape than it should: found "
                f"{_kind(leaf)}, expected {_kind(wanted)}. {remedy}"
            )


def check_state(
    init: Callable[[Any, Any], Any], state: Any, inner: Any, outer: Any
) -> None:
    """Refuse a state of an estimator that is not like that of `init`.

    Raises:
        ValueError: If it has another structure or other shapes.
    """
    expected = jax.eval_shape(init, inner, outer)
    if jax.tree.leaves(expected):
        remedy = (
            "Begin with `estimator.init(inner, outer)`; pass on what a call returns."
        )
        check_same("The state of the estimator", state, expected, remedy)


class Uses:
    """Whether the losses of a problem use its outer variable, while they are traced."""

    def __init__(self, outer: Any) -> None:
        self._outer, self.found = outer, dict[str, bool]()

    def watched_by(self, problem: Any, update: Any = None) -> Any:
        """The problem, whose losses are looked at in their first call.

        The problem itself if its outer variable may act through its own mixed product,
        the update or the initial weights.
        """
        through = getattr(update, "takes_outer", False) or getattr(
            update, "start", None
        )
        if through or problem.mixed_product is not None:
            return problem
        names = ("inner_loss", "outer_loss")
        losses = {name: self.watched(name, getattr(problem, name)) for name in names}
        return problem._replace(**losses)

    def watched(self, name: str, loss: Callable[..., Any]) -> Callable[..., Any]:
        """The same loss; its first call is traced once more."""

        @wraps(loss)
        def watched(inner: Any, outer: Any, batch: Any) -> Any:
            if name not in self.found:
                self.found[name] = depends_on(lambda a: loss(inner, a, batch), outer)
            return loss(inner, outer, batch)

        return watched

    def check(self) -> None:
        """Refuse an outer variable that no loss has used.

        Raises:
            ValueError: If there is one: its hypergradient would always be zero.
        """
        if self.found and not any(self.found.values()) and jax.tree.leaves(self._outer):
            losses = " and ".join(self.found)
            raise ValueError(
                f"The outer variable has no part in {losses}, so that its "
                f"hypergradient is always zero: outer is {described(self._outer)}. Use "
                "it in a loss, in the update (InnerUpdate.takes_outer) or in its start."
            )


def is_traced(tree: Any) -> bool:
    """Whether JAX traces a program in which the tree is an argument."""
    return any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(tree))


def described(tree: Any) -> str:
    """A tree in words: its structure, with the type and the shape of each leaf."""
    words = str(jax.tree.map(_kind, tree)).replace("'", "")
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]}…"


def _kind(leaf: Any) -> str:
    try:
        dtype, shape = jnp.result_type(leaf), jnp.shape(leaf)
    except TypeError:
        return f"a {type(leaf).__name__}"
    return f"{dtype}[{','.join(map(str, shape))}]"


def _is_real(leaf: Any) -> bool:
    try:
        return jnp.issubdtype(jnp.result_type(leaf), jnp.floating)
    except TypeError:
        return False


def _is_leaf(value: Any) -> bool:
    structure = jax.tree.structure(value)
    return structure.num_leaves == 1 and jax.tree_util.treedef_is_leaf(structure)


def _remedy(value: Any) -> str:
    if value is None:
        return "Its `return` may be missing."
    if not _is_leaf(value):
        return (
            "What is of interest besides is computed beside it, for example by "
            "`measure` of `solve`."
        )
    if jnp.shape(value):
        return "Take its mean or its sum."
    return "Convert it to floating point."


def _note(error: Exception, name: str, args: tuple[Any, ...]) -> None:
    if any(note.startswith(_NOTE) for note in getattr(error, "__notes__", ())):
        return
    names = ("inner", "outer", "batch")
    given = "; ".join(
        f"{part} = {described(arg)}" for part, arg in zip(names, args, strict=False)
    )
    error.add_note(f"{_NOTE} {name} of a BilevelProblem, called with {given}.")


_NOTE = "It came from the"
