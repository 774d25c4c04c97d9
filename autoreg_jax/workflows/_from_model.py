"""A run that starts from a model, which stands for a finished search."""

import logging
from pathlib import Path

from autoreg_jax.config import RunConfig
from autoreg_jax.data import read_image
from autoreg_jax.files import write_json
from autoreg_jax.inference import load_model
from autoreg_jax.programs import layout_of, trained_vector, weights_of
from autoreg_jax.runtime import RunFolder
from autoreg_jax.search_space import Genotype
from autoreg_jax.workflows._artifacts import (
    genotype_digest,
    model_origin,
    write_config,
    write_genotype,
)
from autoreg_jax.workflows._auto import open_run
from autoreg_jax.workflows._stored import dataset_of
from autoreg_jax.workflows.planning import read_listed
from autoreg_jax.workflows.training import (
    check_axes,
    settings_from,
    weights_from,
    with_weights,
)

logger = logging.getLogger(__name__)


def begin_from(
    path: Path | str, folder: RunFolder, config: RunConfig, dataset: Path | str | None
) -> RunConfig:
    """Plan a run that starts from a model, and write what a search would have found.

    Returns:
        The settings with the network of the model.
    """
    model, source = load_model(path), dataset_of(folder, dataset)
    table = read_listed(source, folder.path, config)
    ndim = read_image(table.subjects[0].image).ndim
    check_axes(model, ndim, path)
    model.check_channels(table.channels)
    config = settings_from(config, model)
    trained_vector(model.params, layout_of(model.network, ndim, table.channels), path)
    prepared = open_run(
        source,
        folder.path,
        config,
        "train",
        "validation",
        resume=False,
        overwrite=False,
    )
    about, similarity = model.description, prepared.config.objective.similarity
    lam = weights_from(config, model)
    learned = about.loss_similarity or about.similarity
    if similarity != learned:
        logger.info(
            "The images call for %s, the model learned by %s: λ is that of the "
            "configuration.",
            similarity,
            learned,
        )
        lam = weights_of(prepared.config.objective)
    config = with_weights(config, lam)
    write_config(folder, config)
    model.save(folder.initial)
    if isinstance(about.genotype, Genotype):
        write_genotype(folder, about.genotype)
    start = weights_of(config.objective)
    content = {"format": 1, "similarity": similarity, "lam": lam, "lam_start": start}
    more = {"judge": "none", "genotype": genotype_digest(about.genotype)}
    write_json(folder.objective, content | more, is_sealed=True)
    origin = model_origin(path, model, folder)
    folder.write_provenance(config.seed, source, initial=origin)
    return config
