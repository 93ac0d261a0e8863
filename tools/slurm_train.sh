#!/usr/bin/env bash
# Train on a slurm cluster: slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [flags of train.py]
# Settings: GPUS=8 GPUS_PER_NODE=8 CPUS_PER_TASK=5 SRUN_ARGS="--qos=high --time=2-0"
set -euo pipefail

if [ $# -lt 4 ]; then
    sed -n '2,3s/^# //p' "$0" >&2
    exit 2
fi

# The command that train.py prints when it is interrupted, since only this script starts all processes.
settings=""
for name in GPUS GPUS_PER_NODE CPUS_PER_TASK SRUN_ARGS; do
    if [ -n "${!name:-}" ]; then settings+="$name=$(printf '%q' "${!name}") "; fi
done
LUMINET_DET_COMMAND="$settings$(printf '%q ' bash "$0" "$@")"
export LUMINET_DET_COMMAND

partition=$1
job_name=$2
config=$3
work_dir=$4
shift 4
here=$(dirname "$0")
export PYTHONPATH="$here/..${PYTHONPATH:+:$PYTHONPATH}"
# SRUN_ARGS is a list of words.
# shellcheck disable=SC2086
exec srun \
    --partition="$partition" \
    --job-name="$job_name" \
    --gres="gpu:${GPUS_PER_NODE:-8}" \
    --ntasks="${GPUS:-8}" \
    --ntasks-per-node="${GPUS_PER_NODE:-8}" \
    --cpus-per-task="${CPUS_PER_TASK:-5}" \
    --kill-on-bad-exit=1 \
    ${SRUN_ARGS:-} \
    python -u "$here/train.py" "$config" --work-dir "$work_dir" --launcher slurm "$@"
