"""Test a detector or classifier, distilling or not, with mmdet's flags; a distilling config needs no teacher here."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

from mmengine.config import Config, ConfigDict
from mmengine.runner import Runner

from luminet_det import config, unread_annotations
from luminet_det.compat import checkpoints
from luminet_det.dataset_config import config_sources
from luminet_det.distillation.weights import load_strictly
from luminet_det.unwrapped import unwrapped


def parser() -> ArgumentParser:
    """The command line."""
    made = ArgumentParser(prog='test.py', description=__doc__)
    config.add_arguments(made)
    made.add_argument('checkpoint', help='file or URL of the weights')
    made.add_argument('--out', metavar='FILE.pkl', help='write the predictions to this pickle file')
    made.add_argument('--show', action='store_true', help='show each picture with its predictions')
    made.add_argument('--show-dir', help='save those pictures to <work dir>/<timestamp>/<this>')
    made.add_argument('--wait-time', type=float, default=2, help='seconds that --show shows a picture (default: 2)')
    made.add_argument('--tta', action='store_true', help='test-time augmentation; without tta_* in the config, a flip')
    return made


def configure(args: Namespace) -> Config:
    """The config that these flags ask for."""
    cfg = config.load(args)
    # With the config that a resumed run leaves in its folder, mmengine would resume instead.
    cfg.load_from, cfg.resume = args.checkpoint, False
    if args.show or args.show_dir:
        _draw(cfg, args)
    if args.tta:
        _augment(cfg)
    return cfg


def main(argv: Sequence[str] | None = None) -> dict:
    """Test the model.

    Args:
        argv: Command-line arguments; default: those of this process.

    Returns:
        The metrics by name.
    """
    flags = parser()
    args = flags.parse_args(argv)
    if args.out and not args.out.endswith(('.pkl', '.pickle')):
        flags.error(f'--out {args.out}: the name must end in .pkl or .pickle, since a pickle file is written')
    try:
        cfg = configure(args)
    except (FileNotFoundError, ValueError) as error:
        flags.error(str(error))
    # mmdet only now: luminet_det has to be imported before it.
    from mmdet.evaluation import DumpDetResults
    from mmdet.registry import RUNNERS
    from mmdet.utils import setup_cache_size_limit_of_dynamo

    setup_cache_size_limit_of_dynamo()
    runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    unread_annotations.guard(runner)
    if args.out:
        runner.test_evaluator.metrics.append(DumpDetResults(out_file_path=args.out))
    if hasattr(unwrapped(runner.model), 'own_weights'):
        # A classifier can also read weights of other projects, which mmengine would skip.
        _load_classifier(runner, args.checkpoint)
        misfit = None
    else:
        misfit = None if args.tta else _misfit(runner, args.checkpoint)
    scores = runner.test()
    if misfit:
        print(f'\nThese scores are not those of the checkpoint. {misfit}', file=sys.stderr)
    return scores


def _load_classifier(runner: Runner, checkpoint: str) -> None:
    model = unwrapped(runner.model)
    load_strictly(model, model.own_weights(checkpoints.load(checkpoint)), source=checkpoint)
    runner._load_from = None


def _misfit(runner: Runner, checkpoint: str) -> str | None:
    """What does not fit the checkpoint; mmdet only names these weights hundreds of lines before the scores."""
    try:
        load_strictly(unwrapped(runner.model), checkpoints.load(checkpoint), source=checkpoint)
    except RuntimeError as error:
        return str(error)
    return None


def _draw(cfg: Config, args: Namespace) -> None:
    hook = (cfg.get('default_hooks') or {}).get('visualization')
    if hook is None:
        raise ValueError(
            '--show and --show-dir need a hook that draws. '
            "Add `default_hooks.visualization = dict(type='DetVisualizationHook')` to the config."
        )
    hook.update(draw=True)
    if args.show:
        hook.update(show=True, wait_time=args.wait_time)
    if args.show_dir:
        hook.update(test_out_dir=args.show_dir)


def _augment(cfg: Config) -> None:
    if 'tta_model' not in cfg:
        nms = dict(type='nms', iou_threshold=0.5)
        cfg.tta_model = dict(type='DetTTAModel', tta_cfg=dict(nms=nms, max_per_img=100))
    datasets = [dataset for _, dataset in config_sources(cfg.test_dataloader.dataset, '')]
    if not all('pipeline' in dataset for dataset in datasets):
        raise ValueError('--tta is for detectors: the dataset of test_dataloader has no pipeline.')
    if 'tta_pipeline' not in cfg:
        keys = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'flip', 'flip_direction')
        flips = [dict(type='RandomFlip', prob=1.0), dict(type='RandomFlip', prob=0.0)]
        pack = [dict(type='PackDetInputs', meta_keys=keys)]
        cfg.tta_pipeline = [*datasets[0].pipeline[:-1], dict(type='TestTimeAug', transforms=[flips, pack])]
    for dataset in datasets:
        dataset.pipeline = cfg.tta_pipeline
    cfg.model = ConfigDict(**cfg.tta_model, module=cfg.model)


if __name__ == '__main__':
    main()
