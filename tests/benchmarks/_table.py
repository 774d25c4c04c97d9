"""Rows of a table as Markdown, and the machine on which they were measured."""

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jaxlib
import torch


def choose_device(name: str) -> str:
    """Let both libraries use a device, "cpu" or "gpu"; its name in PyTorch.

    On a GPU both multiply in TF32, the default of JAX there.
    """
    if name == "cpu":
        jax.config.update("jax_platforms", "cpu")
        return "cpu"
    jax.config.update("jax_platforms", "cuda,cpu")
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.benchmark = True
    return "cuda"


def print_machine() -> None:
    """Say what the numbers below depend on."""
    processor = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = info.read_text(errors="replace").splitlines()
        names = [x.split(":")[1].strip() for x in lines if x.startswith("model name")]
        processor = names[0] if names else processor
    device = jax.devices()[0]
    print(
        f"{processor}, {os.cpu_count()} cores; {device.device_kind}; "
        f"jax {jax.__version__}, jaxlib {jaxlib.__version__}, "
        f"torch {torch.__version__} ({torch.get_num_threads()} threads)\n"
    )


def print_table(rows: Sequence[Any], *, header: bool) -> None:
    """One line a row; times in seconds."""
    if header:
        print("| primitive | | ours | PyTorch | ratio | GFLOP/s | temporary MB |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
    for row in rows:
        speed = f"{row.gflops:.0f}" if row.gflops else ""
        print(
            f"| {row.case} | {row.what} | {row.timed.ours:.4f} "
            f"| {row.timed.theirs:.4f} | {row.timed.ratio:.2f} | {speed} "
            f"| {row.megabytes:.0f} |",
            flush=True,
        )
