#!/usr/bin/env bash
# Train on several GPUs: dist_train.sh CONFIG GPUS [flags of train.py]
# On several machines, on each: NNODES=2 NODE_RANK=0 MASTER_ADDR=<first machine> dist_train.sh ...
set -euo pipefail

if [ $# -lt 2 ]; then
    sed -n '2,3s/^# //p' "$0" >&2
    exit 2
fi

# What train.py prints on Ctrl-C, for this script starts all processes.
settings=""
for name in NNODES NODE_RANK MASTER_ADDR PORT; do
    if [ -n "${!name:-}" ]; then settings+="$name=${!name} "; fi
done
LUMINET_DET_COMMAND="$settings$(printf '%q ' bash "$0" "$@")"
export LUMINET_DET_COMMAND

config=$1
gpus=$2
shift 2
here=$(dirname "$0")
export PYTHONPATH="$here/..${PYTHONPATH:+:$PYTHONPATH}"
exec torchrun \
    --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="${PORT:-29500}" \
    --nproc_per_node="$gpus" \
    "$here/train.py" "$config" --launcher pytorch "$@"
