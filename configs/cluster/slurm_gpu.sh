#!/usr/bin/env bash
# Slurm: two machines with four GPUs each, one process for each GPU.
#   sbatch configs/cluster/slurm_gpu.sh
# All machines have to see the folder of the run and the images under the same path.
# A job that is requeued goes on from its last checkpoint.
#SBATCH --job-name=autoreg
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --requeue
set -euo pipefail

resume=()
if [ -f runs/mine/config.yaml ]; then
  resume=(--resume)
fi
# A machine that fails ends the job on all of them.
srun --kill-on-bad-exit=1 autoreg auto dataset.csv -o runs/mine --distributed \
  --config configs/cluster/8_devices.yaml "${resume[@]}"
