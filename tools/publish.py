"""Write only the student's weights, for mmdet or torch without this project.

    python tools/publish.py work_dirs/distilled/epoch_12.pth student.pth

Optimizer, history, learned parts of losses and the training's config are left out. A detector's weights keep the
names of mmdet; a classifier's get those of its network, such as torchvision's or timm's, without our prefixes.
"""

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Mapping, Sequence
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor

from luminet_det.compat import checkpoints

# The network's prefix in `luminet_det.Classifier`, and in that the prefix of one of torchvision or timm.
PREFIXES = ('network.', 'model.')


def main(argv: Sequence[str] | None = None) -> None:
    """Publish the weights.

    Args:
        argv: Command-line arguments; default: those of this process.
    """
    flags = ArgumentParser(prog='publish.py', description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    flags.add_argument('checkpoint', help='file or URL of a checkpoint; with EMA, its averaged weights are written')
    flags.add_argument('out', type=Path, metavar='OUT.pth', help='file to write; an existing one is not replaced')
    args = flags.parse_args(argv)
    if args.out.exists():
        flags.error(f'{args.out} exists already; name another file')
    try:
        saved = checkpoints.load(args.checkpoint)
    except (OSError, RuntimeError, UnpicklingError) as error:
        flags.error(str(error))
    if not saved.get('state_dict'):
        flags.error(f'{args.checkpoint} has no state_dict; name a checkpoint written by tools/train.py')
    content = published(saved)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, args.out)
    numbers = sum(weight.numel() for weight in content['state_dict'].values())
    classes = (content['meta'].get('dataset_meta') or {}).get('classes') or ()
    print(f'{args.out}: {len(content["state_dict"])} tensors, {numbers:,} numbers, {len(classes)} classes named')


def published(saved: Mapping) -> dict:
    """The student's part of a checkpoint.

    Args:
        saved: The checkpoint.

    Returns:
        `state_dict`, and in `meta` the `dataset_meta` with the names of the classes, where the checkpoint has them.
    """
    weights: dict[str, Tensor] = dict(saved['state_dict'])
    for prefix in PREFIXES:
        if not all(name.startswith(prefix) for name in weights):
            break
        weights = {name.removeprefix(prefix): weight for name, weight in weights.items()}
    # Drop memory layouts of training, such as channels-last, and write only the part of a tensor that a view shows.
    weights = {name: weight.clone(memory_format=torch.contiguous_format) for name, weight in weights.items()}
    meta = {key: value for key, value in (saved.get('meta') or {}).items() if key == 'dataset_meta'}
    return dict(state_dict=weights, meta=meta)


if __name__ == '__main__':
    sys.exit(main())
