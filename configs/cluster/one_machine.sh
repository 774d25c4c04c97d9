#!/usr/bin/env bash
# One machine with eight GPUs: a single process has all of them.
#   bash configs/cluster/one_machine.sh
set -euo pipefail

autoreg auto dataset.csv -o runs/mine --config configs/cluster/8_devices.yaml

# If it is interrupted, the run goes on from its last checkpoint, with fewer GPUs, too:
#   autoreg auto dataset.csv -o runs/mine --resume --set mesh.pairs=4
