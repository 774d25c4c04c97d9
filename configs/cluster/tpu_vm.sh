#!/usr/bin/env bash
# A slice of 64 TPU v5e (16 hosts): the same command on every host.
#   TPU=my-slice ZONE=us-west4-a bash configs/cluster/tpu_vm.sh
# The folder of the run, the images and a copy of this repository lie on storage that all
# hosts have mounted, here /mnt/shared. Install on every host first: pip install "autoreg_jax[tpu,report]"
set -euo pipefail

gcloud compute tpus tpu-vm ssh "$TPU" --zone="$ZONE" --worker=all --command='
cd /mnt/shared/study
autoreg auto dataset.csv -o runs/mine --distributed \
  --config /mnt/shared/autoreg_jax/configs/cluster/64_devices.yaml
'
