"""The command line `autoreg`: parse, print, exit code."""

from autoreg_jax.cli._main import main

__all__ = ["main"]
