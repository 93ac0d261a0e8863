#!/usr/bin/env bash
# Train on several GPUs: dist_train.sh CONFIG GPUS [flags of train.py]
# On several machines, on each: NNODES=2 NODE_RANK=0 MASTER_ADDR=<first machine> dist_train.sh ...
# A run that loses a process starts again from its last checkpoint, MAX_RESTARTS=3 times.
set -euo pipefail

if [ $# -lt 2 ]; then
    sed -n '2,4s/^# //p' "$0" >&2
    exit 2
fi

# The command that train.py prints on Ctrl-C, since only this script starts all processes.
settings=""
for name in NNODES NODE_RANK MASTER_ADDR PORT MAX_RESTARTS; do
    if [ -n "${!name:-}" ]; then settings+="$name=${!name} "; fi
done
LUMINET_DET_COMMAND="$settings$(printf '%q ' bash "$0" "$@")"
export LUMINET_DET_COMMAND

config=$1
gpus=$2
shift 2
here=$(dirname "$0")
export PYTHONPATH="$here/..${PYTHONPATH:+:$PYTHONPATH}"
address=${MASTER_ADDR:-127.0.0.1}
port=${PORT:-29500}
# The first machine is known by the address given, the others by their host names.
first=false
local_address=""
if [ "${NODE_RANK:-0}" = 0 ]; then
    first=true
    local_address="--local_addr=$address"
fi
# Where train.py looks up whether it was restarted.
export LUMINET_DET_STORE="$address:$port"
# Processes that are started again must meet in a new store, or they find the addresses of the lost ones: c10d makes
# one if its own is not shared; torchrun's --master_addr would keep the first.
export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1
exec torchrun \
    --nnodes="${NNODES:-1}" \
    --rdzv_backend=c10d \
    --rdzv_endpoint="$address:$port" \
    --rdzv_conf="is_host=$first" \
    ${local_address:+"$local_address"} \
    --nproc_per_node="$gpus" \
    --max_restarts="${MAX_RESTARTS:-3}" \
    "$here/train.py" "$config" --launcher pytorch "$@"
