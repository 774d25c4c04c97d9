#!/usr/bin/env bash
# Machines without a scheduler: run this on each of them with its number, from 0.
#   bash configs/cluster/by_hand.sh 0   # on node0, which the others can reach
#   bash configs/cluster/by_hand.sh 1   # on node1
# Two machines with four GPUs each. Both see the folder of the run under the same path.
set -euo pipefail

export JAX_COORDINATOR_ADDRESS=node0:29400
export JAX_NUM_PROCESSES=2
export JAX_PROCESS_ID="$1"
autoreg search dataset.csv -o runs/mine --distributed --config configs/cluster/8_devices.yaml
autoreg train runs/mine --distributed
if [ "$JAX_PROCESS_ID" = 0 ]; then
  autoreg evaluate runs/mine
fi
