"""A dataset, a detector and a run small enough to train in a test: about 0.1 s per step on one core."""

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from mmengine.config import Config

# BGR, far enough apart that a few steps tell the classes from each other.
COLOURS = [(40, 40, 220), (40, 200, 40), (220, 60, 40), (200, 200, 30), (30, 200, 220)]


def classes(num_classes: int = 3) -> tuple[str, ...]:
    """The class names of the tiny set, in the order of its category ids."""
    return tuple(f'thing{i}' for i in range(num_classes))


def write_coco(
    root: str | Path,
    num_images: int = 8,
    num_classes: int = 3,
    size: int = 64,
    seed: int = 0,
    empty: Sequence[int] = (),
) -> Path:
    """Write `images/*.png` and `annotations.json`: filled rectangles, one colour per class.

    Args:
        root: Folder to write to; made if missing.
        num_images: How many images.
        num_classes: How many categories, named by `classes`.
        size: Longer side in pixels; every second image is taller than wide.
        seed: The same seed writes the same set.
        empty: Indices of images that get no object.

    Returns:
        `root` as a path.
    """
    root, rng = Path(root), np.random.default_rng(seed)
    (root / 'images').mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    for i in range(num_images):
        height, width = (size, size * 3 // 4) if i % 2 else (size * 3 // 4, size)
        picture = rng.integers(90, 130, (height, width, 3), dtype=np.uint8)
        for k in range(0 if i in empty else 1 + i % 2):
            label = (i + k) % num_classes
            w, h = (int(v) for v in rng.integers(size // 4, size // 2, 2))
            x, y = int(rng.integers(0, width - w)), int(rng.integers(0, height - h))
            picture[y : y + h, x : x + w] = COLOURS[label % len(COLOURS)]
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=i,
                    category_id=label + 1,
                    bbox=[x, y, w, h],
                    area=w * h,
                    iscrowd=0,
                )
            )
        cv2.imwrite(str(root / 'images' / f'{i:03d}.png'), picture)
        images.append(dict(id=i, file_name=f'{i:03d}.png', width=width, height=height))
    categories = [dict(id=c + 1, name=name) for c, name in enumerate(classes(num_classes))]
    content = dict(images=images, annotations=annotations, categories=categories)
    (root / 'annotations.json').write_text(json.dumps(content))
    return root


def faster_rcnn(
    num_classes: int = 3,
    base_channels: int = 8,
    neck_channels: int = 16,
    fc_channels: int = 32,
    num_rois: int = 32,
) -> dict:
    """Model config of a Faster R-CNN on a thin ResNet-18, randomly initialised, nothing frozen."""
    bbox_coder = dict(type='DeltaXYWHBBoxCoder', target_means=[0.0] * 4)
    assigner = dict(type='MaxIoUAssigner', ignore_iof_thr=-1)
    return dict(
        type='FasterRCNN',
        data_preprocessor=dict(
            type='DetDataPreprocessor',
            mean=[123.675, 116.28, 103.53],
            std=[58.395, 57.12, 57.375],
            bgr_to_rgb=True,
            pad_size_divisor=32,
        ),
        backbone=dict(
            type='ResNet',
            depth=18,
            base_channels=base_channels,
            stem_channels=base_channels,
            frozen_stages=-1,
            norm_eval=False,
        ),
        neck=dict(
            type='FPN',
            in_channels=[base_channels * 2**i for i in range(4)],
            out_channels=neck_channels,
            num_outs=5,
        ),
        rpn_head=dict(
            type='RPNHead',
            in_channels=neck_channels,
            feat_channels=neck_channels,
            anchor_generator=dict(
                type='AnchorGenerator', scales=[4], ratios=[0.5, 1.0, 2.0], strides=[4, 8, 16, 32, 64]
            ),
            bbox_coder=dict(bbox_coder, target_stds=[1.0] * 4),
            loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0),
            loss_bbox=dict(type='L1Loss', loss_weight=1.0),
        ),
        roi_head=dict(
            type='StandardRoIHead',
            bbox_roi_extractor=dict(
                type='SingleRoIExtractor',
                roi_layer=dict(type='RoIAlign', output_size=7, sampling_ratio=2),
                out_channels=neck_channels,
                featmap_strides=[4, 8, 16, 32],
            ),
            bbox_head=dict(
                type='Shared2FCBBoxHead',
                in_channels=neck_channels,
                fc_out_channels=fc_channels,
                roi_feat_size=7,
                num_classes=num_classes,
                bbox_coder=dict(bbox_coder, target_stds=[0.1, 0.1, 0.2, 0.2]),
                reg_class_agnostic=False,
                loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
                loss_bbox=dict(type='L1Loss', loss_weight=1.0),
            ),
        ),
        train_cfg=dict(
            rpn=dict(
                assigner=dict(assigner, pos_iou_thr=0.7, neg_iou_thr=0.3, min_pos_iou=0.3, match_low_quality=True),
                sampler=dict(type='RandomSampler', num=64, pos_fraction=0.5, add_gt_as_proposals=False),
                allowed_border=-1,
                pos_weight=-1,
                debug=False,
            ),
            rpn_proposal=dict(nms_pre=100, max_per_img=50, nms=dict(type='nms', iou_threshold=0.7), min_bbox_size=0),
            rcnn=dict(
                assigner=dict(assigner, pos_iou_thr=0.5, neg_iou_thr=0.5, min_pos_iou=0.5, match_low_quality=False),
                sampler=dict(type='RandomSampler', num=num_rois, pos_fraction=0.25, add_gt_as_proposals=True),
                pos_weight=-1,
                debug=False,
            ),
        ),
        test_cfg=dict(
            rpn=dict(nms_pre=100, max_per_img=50, nms=dict(type='nms', iou_threshold=0.7), min_bbox_size=0),
            rcnn=dict(score_thr=0.05, nms=dict(type='nms', iou_threshold=0.5), max_per_img=20),
        ),
    )


def _loader(data_root: Path, size: int, num_classes: int, batch_size: int, num_workers: int) -> dict:
    steps = [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations', with_bbox=True),
        dict(type='Resize', scale=(size, size), keep_ratio=True),
    ]
    return dict(
        batch_size=batch_size,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
        dataset=dict(
            type='CocoDataset',
            data_root=str(data_root),
            ann_file='annotations.json',
            data_prefix=dict(img='images/'),
            metainfo=dict(classes=classes(num_classes)),
            pipeline=steps,
        ),
    )


def runner_cfg(
    model: dict,
    data_root: str | Path,
    work_dir: str | Path,
    max_iters: int = 4,
    max_epochs: int | None = None,
    batch_size: int = 2,
    num_workers: int = 0,
    num_classes: int = 3,
    size: int = 64,
    checkpoint_interval: int | None = None,
    val: bool = True,
    seed: int | None = 0,
    **overrides,
) -> Config:
    """A whole run on `write_coco`'s set: SGD, random flips, every iteration logged, validation at the end.

    Args:
        model: Model config, as `faster_rcnn` gives.
        data_root: Folder that `write_coco` filled.
        work_dir: Folder of logs and checkpoints.
        max_iters: Length of an iteration-based run.
        max_epochs: If given, the run is epoch-based and has this length.
        batch_size: Images per step.
        num_workers: Loader processes for training; validation always loads in the main process.
        num_classes: As in `write_coco`.
        size: Longer side the pipelines resize to.
        checkpoint_interval: In iterations or epochs; the last one is always saved.
        val: Whether to validate after the last iteration or epoch.
        seed: `randomness.seed`.
        **overrides: Merged into the config last, dotted keys included when passed as `**{'a.b': 1}`.

    Returns:
        A config that `Runner.from_cfg` takes and `Config.dump` writes.
    """
    by_epoch, last = max_epochs is not None, max_epochs or max_iters
    train = _loader(Path(data_root), size, num_classes, batch_size, num_workers)
    train['sampler'] = dict(type='DefaultSampler' if by_epoch else 'InfiniteSampler', shuffle=True)
    train['dataset']['pipeline'] += [dict(type='RandomFlip', prob=0.5), dict(type='PackDetInputs')]
    train['dataset']['filter_cfg'] = dict(filter_empty_gt=True)
    test = _loader(Path(data_root), size, num_classes, 1, 0)
    test['sampler'] = dict(type='DefaultSampler', shuffle=False)
    test['dataset']['pipeline'].append(
        dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'))
    )
    test['dataset']['test_mode'] = True
    metric = dict(type='CocoMetric', ann_file=str(Path(data_root) / 'annotations.json'), metric='bbox')
    loop = dict(type='EpochBasedTrainLoop', max_epochs=last) if by_epoch else dict(max_iters=last)
    loop.setdefault('type', 'IterBasedTrainLoop')
    cfg = Config(
        dict(
            default_scope='mmdet',
            model=model,
            work_dir=str(work_dir),
            train_dataloader=train,
            train_cfg=dict(loop, val_interval=last),
            optim_wrapper=dict(
                type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=1e-4)
            ),
            param_scheduler=[dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=4)],
            auto_scale_lr=dict(enable=False, base_batch_size=batch_size),
            test_dataloader=test,
            test_evaluator=metric,
            test_cfg=dict(type='TestLoop'),
            default_hooks=dict(
                timer=dict(type='IterTimerHook'),
                logger=dict(type='LoggerHook', interval=1),
                param_scheduler=dict(type='ParamSchedulerHook'),
                checkpoint=dict(type='CheckpointHook', interval=checkpoint_interval or -1, by_epoch=by_epoch),
                sampler_seed=dict(type='DistSamplerSeedHook'),
                visualization=dict(type='DetVisualizationHook'),
            ),
            env_cfg=dict(mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0), dist_cfg=dict(backend='gloo')),
            visualizer=dict(type='DetLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')], name='visualizer'),
            log_processor=dict(type='LogProcessor', window_size=1, by_epoch=by_epoch),
            randomness=dict(seed=seed),
        )
    )
    if val:
        cfg.val_dataloader, cfg.val_evaluator = test, metric
        cfg.val_cfg = dict(type='ValLoop')
    cfg.merge_from_dict(overrides)
    return cfg
