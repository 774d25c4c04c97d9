"""The architectures that the authors have published with their code."""

from autoreg_jax.search_space._genotype import Genotype

# layers.py, FeatureExtraction_16_search: fixed, their code never searches it.
_FEATURES = (
    ("conv_3", "sep_conv_5", "conv_5"),
    ("sep_conv_5", "dil_conv_3_8", "dil_conv_3_8"),
)

PUBLISHED_GENOTYPES = {
    # src_archi/genotypes.py, Search_ABIDE.
    "abide": Genotype(
        _FEATURES,
        (
            ("sep_conv_3", "dil_conv_3", "sep_conv_5"),
            ("sep_conv_3", "dil_conv_3", "sep_conv_3"),
        ),
    ),
    # layers.py, genotype.
    "ppmi": Genotype(
        _FEATURES,
        (
            ("sep_conv_3", "conv_5", "conv_3"),
            ("dil_conv_7", "dil_conv_7", "sep_conv_5"),
        ),
    ),
}
