"""Floating-point operations of a compiled program, every turn of its loops counted."""

import re
from typing import Any

import jax
from jax._src.lib import _jax


def count_flops(compiled: Any) -> float:
    """XLA's own count, but with each loop as often as it runs.

    XLA counts the body of a loop once. Here that is replaced by as many bodies as there
    are turns; a body counts what the same module counts that has it as its entry. What
    XLA has moved out of a loop or found twice is counted as it is in the end.

    Args:
        compiled: What `jax.jit(f).lower(...).compile()` returns.

    Raises:
        ValueError: If a loop runs for a number of times that XLA does not know.
    """
    head, *rest = re.split(r"\n\n(?=%|ENTRY)", compiled.as_text())
    # Where a line comes from is of no interest here, and refers to dropped tables.
    head = re.sub(r", entry_computation_layout=.*", "", head.split("\n")[0])
    parts = [re.sub(r", metadata=\{[^}]*\}", "", part.strip()) for part in rest]
    (entry,) = (part for part in parts if part.startswith("ENTRY "))
    bodies = {part.removeprefix("ENTRY ").split()[0]: part for part in parts}
    client = jax.devices()[0].client

    def once(chosen: str) -> float:
        # A computation stands behind those that it calls.
        before = parts[: parts.index(chosen)]
        text = [head, *before, "ENTRY " + chosen.removeprefix("ENTRY ")]
        module = _jax.hlo_module_from_text("\n\n".join(text))
        return _jax.hlo_module_cost_analysis(client, module)["flops"]

    def total(chosen: str) -> float:
        count = once(chosen)
        for line in chosen.splitlines():
            if " while(" in line:
                turns = re.search(r'"known_trip_count":\{"n":"(\d+)"', line)
                body = re.search(r"body=(%[\w.\-]+)", line)
                if turns is None or body is None:
                    raise ValueError(f"The number of turns is unknown: {line[:200]}")
                inside = bodies[body[1]]
                count += int(turns[1]) * total(inside) - once(inside)
        return count

    return total(entry)
