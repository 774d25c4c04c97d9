#!/usr/bin/env bash
# One machine with eight GPUs: random search trains eight architectures at once.
#   bash configs/cluster/one_machine_random.sh
set -euo pipefail

autoreg search dataset.csv -o runs/random --config configs/cluster/random_8_devices.yaml
# The training of the best one then shares its pairs over the GPUs.
autoreg train runs/random --set mesh.members=1 mesh.pairs=8 train.batch_size=8
