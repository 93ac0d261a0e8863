"""Linear probe: train a new linear layer on a frozen network's embeddings of another dataset, and test it.

    python tools/linear_probe.py configs/cifar100/wrn_16_2.py work_dirs/wrn_16_2/epoch_240.pth --data tiny-imagenet
    python tools/linear_probe.py configs/cifar100/wrn_16_2.py work_dirs/wrn_16_2/epoch_240.pth --data stl10

Prints top-1 and top-5 as mean ± sd over the seeds and writes them as JSON. Embeddings are computed once and kept.
`--out benchmarks/results/transfer/<name>.json` is where tools/results.py looks for the file.
"""

import json
import pickle
import sys
import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from statistics import mean, stdev

import torch

from luminet_det import config
from luminet_det.classification.analysis.trained import load_trained
from luminet_det.classification.data import UnreadableImage
from luminet_det.classification.probe import Embedded, EmbeddingCache, Protocol, embed, probe, target, training_size
from luminet_det.classification.probe.cache import embedding_key
from luminet_det.published.name import Name, read_name

CACHE = 'work_dirs/embeddings'


def parser() -> ArgumentParser:
    """The command line."""
    made = ArgumentParser(
        prog='linear_probe.py', description=__doc__, formatter_class=RawDescriptionHelpFormatter, allow_abbrev=False
    )
    usual = Protocol()
    config.add_arguments(made, runs=False)
    made.add_argument('checkpoint', help='file or URL of the weights')
    made.add_argument(
        '--data',
        help='tiny-imagenet, stl10, cifar10, cifar100, or an image folder with train/ and test/ (or val/); without it, '
        'the two datasets of the config: probe=dict(train=dict(type=...), test=dict(type=...))',
    )
    made.add_argument('--data-root', help='folder of a named dataset (default: its folder in data/)')
    made.add_argument('--resize', type=int, help='size of all images (default: that of training in the config)')
    made.add_argument(
        '--on-error', choices=('stop', 'skip'), help='at an unreadable image: stop (default), or skip it and name it'
    )
    made.add_argument('--seeds', type=int, default=3, help='number of seeds, from 0 (default: 3)')
    made.add_argument('--epochs', type=int, default=usual.epochs, help=f'default: {usual.epochs}')
    made.add_argument('--batch-size', type=int, default=usual.batch_size, help=f'default: {usual.batch_size}')
    made.add_argument(
        '--lrs',
        type=float,
        nargs='+',
        default=usual.learning_rates,
        help=f'learning rates to choose from (default: {" ".join(f"{rate:g}" for rate in usual.learning_rates)})',
    )
    made.add_argument(
        '--held-out',
        type=float,
        default=usual.held_out,
        help=f'share of the training images by which the learning rate is chosen (default: {usual.held_out:g})',
    )
    made.add_argument('--num-workers', type=int, default=0, help='processes that read images (default: 0)')
    made.add_argument('--cache', default=CACHE, help=f'folder of the embeddings (default: {CACHE})')
    made.add_argument('--no-cache', action='store_true', help='neither read nor keep embeddings')
    made.add_argument('--out', help='JSON file (default: work_dirs/linear_probe/<config name>_<data>.json)')
    made.add_argument('--device', help='cpu, cuda, cuda:1, ... (default: a GPU if there is one)')
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run the linear probe.

    Args:
        argv: Command-line arguments; default: those of this process.

    Returns:
        0. Wrong arguments, files or settings end the process with 2.
    """
    flags = parser()
    args = flags.parse_args(argv)
    device = args.device or ('cuda' if torch.cuda.is_available() else 'cpu')
    began = time.monotonic()
    try:
        if args.seeds < 1:
            raise ValueError(f'--seeds {args.seeds}: at least 1 is needed')
        protocol = Protocol(tuple(args.lrs), args.epochs, args.batch_size, args.held_out)
        cfg = config.load(args)
        classifier = load_trained(cfg, args.checkpoint).model.to(device)
        resize = args.resize or training_size(cfg)
        if args.data and any(key.startswith('probe.') for key in args.cfg_options or {}):
            raise ValueError(f'--data {args.data} names the datasets, and so do the options probe....: remove one.')
        data = target(cfg, args.data, args.data_root, resize, args.on_error)
        cache = EmbeddingCache(None if args.no_cache else args.cache)
        parts: list[Embedded] = []
        for dataset in (data.train, data.test):
            started = time.monotonic()
            part, kept = cache.get(
                lambda dataset=dataset: embedding_key(classifier, dataset),
                lambda dataset=dataset: embed(classifier, dataset, num_workers=args.num_workers),
            )
            how = 'kept from an earlier run' if kept else f'computed in {time.monotonic() - started:.1f} s'
            print(f'{data.name}, {dataset.split}: {len(part.labels)} embeddings of {part.embeddings.shape[1]}, {how}')
            parts.append(part)
        classes = len(data.train.metainfo['classes'])
        found = probe(*parts, classes, protocol, args.seeds, device, print)
    except UnreadableImage as error:
        flags.error(f'{error} Here that is --on-error skip.')
    except (FileNotFoundError, ValueError, pickle.UnpicklingError) as error:
        flags.error(str(error))
    rates = [seed.learning_rate for seed in found]
    for end, advice in ((max(protocol.learning_rates), 'larger'), (min(protocol.learning_rates), 'smaller')):
        if len(protocol.learning_rates) > 1 and rates.count(end) * 2 > len(rates):
            print(f'{end:g} is the end of --lrs and was chosen most often; a {advice} one may do better.')
    stem = config.find(args.config).stem
    network = str(cfg.model['network']['type']).rpartition('.')[2]
    # Paths are written as they were given, so that the file is valid on other machines.
    result = dict(
        config=args.config,
        name=stem,
        network=network,
        **(read_name(stem) or Name(None, None, None, None))._asdict(),
        checkpoint=args.checkpoint,
        options=args.cfg_options or {},
        data=data.train.metainfo['dataset'],
        data_name=data.name,
        splits=[data.train.split, data.test.split],
        images=[len(part.labels) for part in parts],
        resize=data.train.resize,
        embedding=parts[0].embeddings.shape[1],
        protocol=asdict(protocol),
        seeds=[seed._asdict() for seed in found],
        **{key: _spread([getattr(seed, key) for seed in found]) for key in ('top1', 'top5')},
        versions={name: version(name) for name in ('torch', 'torchvision')},
        seconds=round(time.monotonic() - began, 1),
    )
    path = Path(args.out or f'work_dirs/linear_probe/{stem}_{data.name}.json')
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + '\n', encoding='utf-8')
    of = f'mean ± sample sd of {len(found)} seeds' if len(found) > 1 else 'one seed'
    print(f'top-1 {_shown(result["top1"])}, top-5 {_shown(result["top5"])} ({of})')
    print(path)
    return 0


def _spread(values: list[float]) -> dict[str, float | None]:
    return dict(mean=round(mean(values), 4), sd=round(stdev(values), 4) if len(values) > 1 else None)


def _shown(spread: dict[str, float | None]) -> str:
    return f'{spread["mean"]:.2f}' + ('' if spread['sd'] is None else f' ± {spread["sd"]:.2f}')


if __name__ == '__main__':
    sys.exit(main())
