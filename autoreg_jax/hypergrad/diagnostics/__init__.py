"""Quality of an estimate; `autoreg_jax.hypergrad` exports these functions."""
