"""The discrete network that is measured."""

from autoreg_jax.search_space import Genotype

GENOTYPE = Genotype(
    (
        ("sep_conv_3", "sep_conv_5", "dil_conv_3"),
        ("sep_conv_5", "dil_conv_5", "sep_conv_3"),
    ),
    (
        ("dil_conv_3", "sep_conv_3", "dil_conv_5"),
        ("sep_conv_3", "dil_conv_5", "sep_conv_3"),
    ),
)
