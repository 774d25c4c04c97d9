"""The network whose cells are searched: that of the paper, with matching."""

from autoreg_jax import config

SEARCHED = vars(config.load("table2").network)
