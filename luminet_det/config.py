"""A config as the tools take it: a path or a zoo name, and the flags that all of them share."""

import importlib.util
import os
from argparse import ArgumentParser, Namespace
from difflib import get_close_matches
from pathlib import Path

import torch
from mmengine.config import Config, DictAction

SUFFIXES = ('.py', '.json', '.yml', '.yaml')


def add_arguments(parser: ArgumentParser, runs: bool = True) -> None:
    """Add CONFIG and `--cfg-options`; if the tool runs a model, `--work-dir` and the launcher's flags as well."""
    parser.add_argument('config', help="path of a config, or its zoo name such as 'mmdet::faster_rcnn/<name>.py'")
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='change config values: optim_wrapper.optimizer.lr=0.01, or a list as key="[a,b]" or key=a,b, nested as '
        'key="[(a,b),(c,d)]"; quoted, without spaces',
    )
    if runs:
        parser.add_argument('--work-dir', help='folder of logs and checkpoints (default: ./work_dirs/<config name>)')
        parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
        parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help='set by some launchers')


def load(args: Namespace) -> Config:
    """Read the config that `add_arguments`' flags describe, with their changes in it.

    Raises:
        FileNotFoundError: There is no such config; the message lists similar names.
        ValueError: An option is mistyped, or `teacher` or `distill` stands beside the model.
    """
    path = find(args.config)
    cfg = Config.fromfile(path)
    for option in args.cfg_options or {}:
        _check_option(option, cfg)
    cfg.merge_from_dict(args.cfg_options or {})
    _check_place(cfg)
    if hasattr(args, 'launcher'):
        cfg.launcher = args.launcher
        cfg.work_dir = args.work_dir or cfg.get('work_dir') or os.path.join('./work_dirs', path.stem)
        os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
        if args.launcher in ('pytorch', 'slurm') and not torch.cuda.is_available():
            from luminet_det.compat import cpu

            cpu.distribute(cfg)
    return cfg


def _check_option(option: str, cfg: Config) -> None:
    """Raise ValueError if `option` is a key of the config but for a slip of the pen; new keys are allowed."""
    first = option.partition('.')[0]
    near = [] if first in cfg else get_close_matches(first, [key for key in cfg], n=1, cutoff=0.85)
    if near:
        raise ValueError(f"--cfg-options {option}: the config has no {first!r}. Did you mean '{near[0]}'?")


def _check_place(cfg: Config) -> None:
    """Raise ValueError if `teacher` or `distill` stands beside the model and not in it, where nobody would read it."""
    for key in ('teacher', 'distill'):
        if key in cfg and key not in cfg.get('model', {}):
            raise ValueError(f'{key} stands beside the model, where nothing reads it: write model = dict({key}=...)')


def find(name: str) -> Path:
    """The file of a config path or of a zoo name.

    Raises:
        FileNotFoundError: There is none, nor a package of that name.
    """
    path = Path(name).expanduser()
    if '::' in name:
        package, _, rest = name.partition('::')
        if (spec := importlib.util.find_spec(package)) is None:
            raise FileNotFoundError(f'no config {name}: the package {package} is not installed')
        path = Path(spec.origin).parent / '.mim' / 'configs' / rest
        path = path if path.suffix in SUFFIXES else path.with_name(path.name + '.py')
    if not path.is_file():
        raise FileNotFoundError(f'no config {name}. {_similar(path)}')
    return path


def _similar(path: Path) -> str:
    """What there is instead, in the nearest folder that exists."""
    wanted, folder = path.name, path.parent
    while not folder.is_dir():
        wanted, folder = folder.name, folder.parent
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith(('.', '__')))
    names = [entry.name for entry in entries if entry.suffix in SUFFIXES] if folder == path.parent else []
    kind = 'configs' if names else 'folders'
    names = names or [entry.name for entry in entries if entry.is_dir()]
    if close := get_close_matches(wanted, names, n=5, cutoff=0.4):
        return f'Similar {kind} in {folder}: {", ".join(close)}'
    some = ', '.join(names[:5]) + (', ...' if len(names) > 5 else '')
    where = 'the working directory' if folder == Path() else folder
    return f'In {where} there are the {kind} {some}' if names else f'There are no configs in {where}'
