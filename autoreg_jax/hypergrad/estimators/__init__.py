"""Hypergradient estimators, one a file, exported by `autoreg_jax.hypergrad`."""
