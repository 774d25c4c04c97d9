"""The command line `autoreg`: parse, print, exit code."""

from autoreg_jax.cli._main import main as main

__all__ = ["main"]
