"""A fake training that takes no time and leaves the files that tools/train.py would leave."""

import json
from dataclasses import dataclass, field

import pytest


@dataclass
class FakeTraining:
    """Stands in for the training process; with `stop`, it fails after that many steps as if it were killed."""

    scores: dict = field(default_factory=dict)  # AP by the name of the work dir
    stop: int | None = None
    evaluates: bool = True
    detects: bool = True
    calls: list = field(default_factory=list)

    def __call__(self, run):
        self.calls.append(run.work_dir.name)
        steps = run.settings.train_cfg.max_iters
        begin = max((int(path.stem[5:]) for path in run.work_dir.glob('iter_*.pth')), default=0)
        end = min(steps, self.stop or steps)
        lines = [dict(step=step, loss=1.0, time=0.2) for step in range(begin + 50, end + 1, 50)]
        (run.work_dir / f'iter_{end}.pth').write_text('weights')
        if end == steps and self.evaluates:
            score = self.scores.get(run.work_dir.name, 0.25)
            measured = {'coco/bbox_mAP': score, 'coco/bbox_mAP_50': 2 * score} if self.detects else {}
            lines.append({**measured, 'time': 0.1, 'step': steps})
        folder = run.work_dir / f'2030010{len(self.calls)}_000000'
        (folder / 'vis_data').mkdir(parents=True)
        (folder / f'{folder.name}.log').write_text('what went wrong')
        (folder / 'vis_data' / 'scalars.json').write_text('\n'.join(map(json.dumps, lines)))
        if end < steps:
            raise InterruptedError(f'stopped at step {end}')


@pytest.fixture
def training():
    return FakeTraining()
