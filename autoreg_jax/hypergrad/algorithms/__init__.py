"""Bilevel algorithms, exported by `autoreg_jax.hypergrad`."""
