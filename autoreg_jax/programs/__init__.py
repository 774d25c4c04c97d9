"""From a configuration, or objects of your own, to compiled problems and optimizers."""

from autoreg_jax.programs._cohort import DeviceCohort as DeviceCohort
from autoreg_jax.programs._cohort import gather_pair as gather_pair
from autoreg_jax.programs._cohort import on_device as on_device
from autoreg_jax.programs._cohort import shrunk as shrunk
from autoreg_jax.programs._compiled import quick_compilation as quick_compilation
from autoreg_jax.programs._initial import initial_alpha as initial_alpha
from autoreg_jax.programs._initial import initial_vector as initial_vector
from autoreg_jax.programs._layout import Layout as Layout
from autoreg_jax.programs._network import Network as Network
from autoreg_jax.programs._network import NetworkFamily as NetworkFamily
from autoreg_jax.programs._network import chosen_genotype as chosen_genotype
from autoreg_jax.programs._network import make_network as make_network
from autoreg_jax.programs._network import make_wiring as make_wiring
from autoreg_jax.programs._network import network_family as network_family
from autoreg_jax.programs._objective import initial_lambda as initial_lambda
from autoreg_jax.programs._objective import make_lambda as make_lambda
from autoreg_jax.programs._objective import make_objective as make_objective
from autoreg_jax.programs._objective import with_judge as with_judge
from autoreg_jax.programs._programs import Programs as Programs
from autoreg_jax.programs._stage import Stage as Stage
from autoreg_jax.programs._stage import Stream as Stream
from autoreg_jax.programs._stage import schedule as schedule

__all__ = [
    "DeviceCohort",
    "Layout",
    "Network",
    "NetworkFamily",
    "Programs",
    "Stage",
    "Stream",
    "chosen_genotype",
    "gather_pair",
    "initial_alpha",
    "initial_lambda",
    "initial_vector",
    "make_lambda",
    "make_network",
    "make_objective",
    "make_wiring",
    "network_family",
    "on_device",
    "quick_compilation",
    "schedule",
    "shrunk",
    "with_judge",
]
