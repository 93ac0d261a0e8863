"""Single steps: what LumiNet adds to KD and to the student alone, the Runner to a step, and norms to a teacher."""

import argparse
import statistics
from functools import partial
from itertools import cycle

import torch
from mmengine.logging import HistoryBuffer

from benchmarks.classification_speed.pair import Pair
from benchmarks.step_cost.measure import interleaved, ratio

BATCHES = 8


def step(pair: Pair, args: argparse.Namespace, device: torch.device) -> dict:
    """The step of LumiNet against those of KD and of the student; the teacher against one that keeps its norms."""
    configs = dict(luminet=f'luminet_{pair.name}', kd=f'kd_{pair.name}', student=pair.student)
    runs = {name: pair.run(config, f'step {name}', args.batch_size) for name, config in configs.items()}
    batches = {name: cycle(run.batches(BATCHES)) for name, run in runs.items()}
    kept = pair.run(configs['luminet'], 'norms kept', args.batch_size, {'model.teacher.fuse_conv_bn': False})
    for run in (*runs.values(), kept):
        run.run(2)

    def train(name: str) -> None:
        runs[name].step(next(batches[name]))

    luminet = runs['luminet'].model
    with torch.no_grad():
        inputs = luminet.data_preprocessor(next(batches['luminet']), True)['inputs']
        inputs = inputs.contiguous(memory_format=torch.channels_last) if luminet.channels_last else inputs

    @torch.no_grad()
    def teacher(model: torch.nn.Module) -> None:
        model.links[0].answer(inputs, {'logits'})

    teachers = dict(teacher=partial(teacher, luminet), teacher_norms_kept=partial(teacher, kept.model))
    variants = {name: partial(train, name) for name in runs} | teachers
    seconds = interleaved(variants, args.step_repeats, device)
    floor = [a + b for a, b in zip(seconds['student'], seconds['teacher'], strict=True)]
    return dict(
        milliseconds={name: round(1e3 * statistics.median(taken), 2) for name, taken in seconds.items()},
        luminet_over_kd=ratio(seconds['luminet'], seconds['kd']),
        luminet_over_student_and_teacher=ratio(seconds['luminet'], floor),
        fused_over_kept_norms=ratio(seconds['teacher'], seconds['teacher_norms_kept']),
    )


def runner(pair: Pair, args: argparse.Namespace, device: torch.device) -> dict:
    """What a step in the Runner costs more than by itself: the loader, the hooks, the log.

    The ratio of the two is `over_step`. On a CPU the difference is lost in the noise of the step, so the Runner is also
    timed with a step that does nothing, `milliseconds`; on a GPU that is more than the difference, because there the
    Runner works while the device is busy. `milliseconds_half_way` is the latter in the middle of the whole run, when
    mmengine's message hub has the scalars of all steps so far.
    """
    run = pair.run(f'luminet_{pair.name}', 'runner', args.batch_size)
    batches = cycle(run.batches(BATCHES))
    run.run(2)
    # A whole interval of the log.
    steps = run.runner.log_processor.window_size
    outputs = run.model.train_step(next(batches), run.optim_wrapper)
    train_step = run.model.train_step

    def idle() -> None:
        run.model.train_step = lambda batch, optim_wrapper: outputs
        run.run(steps)
        run.model.train_step = train_step

    def bare() -> None:
        for _ in range(args.steps):
            run.step(next(batches))

    def alone() -> float:
        return statistics.median(interleaved(dict(idle=idle), args.repeats, device)['idle']) / steps

    milliseconds = 1e3 * alone()
    seconds = interleaved(dict(whole=partial(run.run, args.steps), bare=bare), args.repeats, device)
    step = 1e3 * statistics.median(seconds['bare']) / args.steps
    half = run.runner.max_iters // 2
    scalars = run.runner.message_hub.log_scalars
    for name, buffer in list(scalars.items()):
        scalars[name] = HistoryBuffer([0.0] * half, [1] * half, buffer.max_length)
    return dict(
        milliseconds=round(milliseconds, 3),
        milliseconds_half_way=round(1e3 * alone(), 3),
        percent_of_step=round(100 * milliseconds / step, 2),
        over_step=ratio(seconds['whole'], seconds['bare']),
    )
