"""Student: the mixin that lets a model learn from teachers while it trains."""

from collections import Counter
from typing import NamedTuple

import torch
from mmengine.dist import get_world_size
from mmengine.logging import print_log
from torch import Tensor, nn

from luminet_det.dataset_config import common_classes
from luminet_det.distillation.announcement import announcement
from luminet_det.distillation.companions import BESIDE, Companions, evaluating
from luminet_det.distillation.epochs import require_epochs, warn_without_runner
from luminet_det.distillation.finite import FiniteGuard
from luminet_det.distillation.gradients import GradientShare
from luminet_det.distillation.mute_terms import MuteTerms
from luminet_det.distillation.peers import read_teachers, require_rows
from luminet_det.distillation.running import current_hub, run_info
from luminet_det.distillation.small_batch import SmallBatch
from luminet_det.distillation.taps import Tap
from luminet_det.distillation.teacher import Teacher
from luminet_det.distillation.terms import Given, Term

# Without the teacher's files, its packages or a network connection a student can still predict; only training fails.
AWAY = (OSError, ImportError, KeyError)


class Heard(NamedTuple):
    """What a term compares in a step.

    Attributes:
        name: Name of the term in the log.
        term: The term.
        weight: Weight from the term's schedule, 0 to 1.
        calls: (student, teacher, given) for each call of the head or, where maps are compared, for each teacher;
            `given` holds the tap's additional inputs to the loss. The loss is averaged over the calls.
    """

    name: str
    term: Term
    weight: float
    calls: list[tuple[Given, Given, dict]]


class Student:
    """Builds teachers and terms, weights and logs the losses, and keeps frozen teachers out of the module tree.

    A subclass also inherits from a model. It lists its `taps`, calls `listen` at the end of its constructor, implements
    `meet` (how it is wired to a teacher) and `example` (example tensors of a tap), and adds what `heed` returns to the
    losses of a training step.
    """

    taps: dict[str, Tap] = {}

    def listen(self, teacher, distill) -> None:
        """Read the `teacher=` and `distill=` settings.

        Files are opened in two cases only: a loss with learned layers needs the teacher's architecture, without
        weights, to build these for the right shapes, and peers are built here.

        Args:
            teacher: One teacher setting, or a list of them: an ensemble, or peers if they are trainable.
            distill: One term setting or a list of them.

        Raises:
            ValueError: A setting is unknown, there are terms but no teacher, or a loss cannot bridge the shapes.
        """
        self.teachers = read_teachers(teacher)
        if self.teachers and distill is None:
            raise ValueError(
                'The model has a teacher but no distill, so it would train without the teacher: add '
                'distill=[dict(tap=..., loss=dict(type=...))], or distill=[] if that is intended.'
            )
        distill = [distill] if isinstance(distill, dict) else distill or []
        if not isinstance(distill, (list, tuple)):
            raise ValueError(f'distill={distill!r} is not a list of terms dict(tap=..., loss=dict(type=...)).')
        self.terms = [Term.from_setting(setting, self.taps) for setting in distill]
        if self.terms and not self.teachers:
            raise ValueError(
                'distill has terms, but the model has no teacher; add teacher=dict(config=..., checkpoint=...).'
            )
        # A loss that runs the networks stage by stage has their norms use batch statistics, so it needs the norms too.
        of_norms = [term for term in self.terms if {'norms', 'networks'} & set(term.needs)]
        if of_norms and any(teacher.fuse_conv_bn for teacher in self.teachers):
            raise ValueError(
                f"{type(of_norms[0].loss).__name__} needs the teacher's norms, but teacher.fuse_conv_bn=True folds "
                'them into the convolutions before them: remove teacher.fuse_conv_bn.'
            )
        self.term_names = _unique_names(self.terms)
        self.guard = FiniteGuard()
        self.gradients = GradientShare()
        self.small_batch = SmallBatch()
        self.mute_terms = MuteTerms()
        self.links: list = []
        self._spoken: set[str] = set()
        self._wired_in: str | None = None
        self._steps = 0
        if learning := [term for term in self.terms if term.learns]:
            self._adapt([term for term in learning if hasattr(term.loss, 'adapt')])
            self.adaptors = Companions([term.loss for term in learning], 'adaptors')
        if self.teachers and self.teachers[0].trainable:
            self._join()

    def meet(self, teacher: Teacher) -> object:
        """Wire the student to a built teacher; the returned link must have `describe() -> list[str]`."""
        raise TypeError(f'{type(self).__name__} must implement `meet`, which wires it to a teacher.')

    def accept(self, teacher: nn.Module) -> None:
        """Raise ValueError if this model cannot teach the student; called before its weights are fetched."""

    def example(self, term: Term, teacher: nn.Module) -> tuple[Given, Given]:
        """What the term's tap gives for one image, for this student and for a teacher's model, both in eval mode."""
        raise TypeError(f'{type(self).__name__} must implement `example`, which says what its taps give.')

    def active_terms(self) -> list[tuple[str, Term, float]]:
        """Name, term and weight of every term that is active in this training step; also counts the step.

        This first restores the companions from a checkpoint, if there is one, even if no term uses them yet.
        """
        for place in BESIDE:
            if hasattr(self, place):
                getattr(self, place).restore()
        # The Runner's count survives a resume; outside a Runner the student's own count is used.
        iteration, epoch = run_info('iter', self._steps), run_info('epoch', 0)
        self._steps += 1
        if self._steps == 2:  # a single step may be just a trial
            warn_without_runner(self.terms)
        weighed = ((name, term, term.weight(iteration, epoch)) for name, term in self._named_terms())
        return [(name, term, weight) for name, term, weight in weighed if weight]

    def start(self) -> None:
        """Build and wire the teachers, once per run, when a training step first needs them."""
        run = current_hub().instance_name
        if self._wired_in == run and all(teacher.built for teacher in self.teachers):
            for teacher in self.teachers:
                teacher.follow(self)
            self.guard.check()
            return
        require_epochs(self.terms)
        # Another run may have different classes, pixel normalisation and batch sizes.
        self.links, self.small_batch = [], SmallBatch()
        for teacher in self.teachers:
            teacher.build(self.accept)
            teacher.follow(self)
            if teacher.trainable:
                # A peer is trained on the student's training set, so its classes are the same.
                teacher.classes = common_classes(run_info('dataset_meta', {}))
            self.links.append(self.meet(teacher))
        missing = (self.is_mutual and not hasattr(self, 'peers'), hasattr(self, 'adaptors') and not self._adapted)
        if any(missing):
            raise RuntimeError(
                'The teacher could not be built when the student was, so peers, or the learned layers of losses, could '
                'not be built either. Build the student again, now that the teacher can be built.'
            )
        self._wired_in = run
        print_log(announcement(self.teachers, self.links, self._named_terms()), logger='current')

    def heed(self, heard: list[Heard], losses: dict) -> dict:
        """The distillation losses of a step, and the diagnostics to log with them.

        Args:
            heard: What each active term compares.
            losses: The student's own losses, which are part of the total.

        Returns:
            `loss_<name>` for every term, zero for inactive ones; `raw_<name>`, the loss without its weights;
            `share_<name>`, its share of the total loss; and `gradient_share_<name>`, its share of the gradient at the
            student's logits in the step before. mmengine logs the last three without adding them to the total.
        """
        values = []
        for name, term, weight, calls in heard:
            self.small_batch.watch(name, term, [len(student) for student, *_ in calls])
            losses_of_calls = [term(student, teacher, **given) for student, teacher, given in calls]
            values.append((name, term, weight, sum(losses_of_calls) / len(calls)))
        return self.weigh(values, losses)

    def weigh(self, values: list[tuple[str, Term, float, Tensor]], losses: dict) -> dict:
        """Like `heed`, for terms whose losses are known already, given as (name, term, weight, loss)."""
        if taken := {f'loss_{name}' for name in self.term_names} & losses.keys():
            raise ValueError(
                f"A term is logged as {', '.join(taken)}, like one of the student's own losses; rename its loss class."
            )
        zero = _first_tensor(losses).new_zeros(())
        entries = {f'loss_{name}': zero for name in self.term_names}
        heard = {name for name, *_ in values}
        if get_world_size() > 1:
            # DDP waits for a gradient of every parameter, including those of inactive terms.
            for name, term in self._named_terms():
                if name not in heard and term.learns:
                    entries[f'loss_{name}'] = zero + sum(0 * p.sum() for p in term.loss.parameters())
        for name, term, weight, loss in values:
            if torch.is_grad_enabled():
                self.mute_terms.watch(name, term, loss)
            entries[f'loss_{name}'] = weight * loss
            entries[f'raw_{name}'] = loss.detach() / term.loss_weight
        total = sum(_total(key, value) for key, value in {**losses, **entries}.items())
        for name, *_ in values:
            entries[f'share_{name}'] = entries[f'loss_{name}'].detach() / total
        shares = {f'gradient_share_{name}': share for name, share in self.gradients.read().items()}
        # mmengine keeps showing the last value of an entry that is no longer logged.
        resting = [name for name in self.term_names if name in self._spoken - heard]
        self._spoken |= heard
        silent = {f'{what}_{name}': zero for name in resting for what in ('raw', 'share', 'gradient_share')}
        return silent | entries | shares

    def init_weights(self) -> None:
        """Initialise only the student: its companions got their weights when they were built."""
        modules = self._modules
        self._modules = {name: module for name, module in modules.items() if name not in BESIDE}
        try:
            super().init_weights()
        finally:
            self._modules = modules

    def train(self, mode: bool = True):
        """Like `nn.Module.train`; switching to eval mode also waits for pending results of the guard."""
        if not mode and 'guard' in self.__dict__:
            self.guard.check(wait=True)
        return super().train(mode)

    @property
    def is_mutual(self) -> bool:
        """Whether its teachers are peers that learn from it too."""
        # torch.compile cannot trace `bool` of a list.
        return len(self.teachers) > 0 and self.teachers[0].trainable

    def _join(self) -> None:
        """Build the peers as submodules of this module."""
        require_rows(self.terms, self.taps)
        try:
            for place, peer in enumerate(self.teachers):
                peer.build(self.accept, place)
        except AWAY:
            return
        self.peers = Companions([peer.model for peer in self.teachers], 'peers')

    def _adapt(self, terms: list[Term]) -> None:
        """Have the losses build their learned layers, for the shapes that their taps give."""
        self._adapted = not terms
        if not terms:
            return
        if len(self.teachers) > 1:
            raise ValueError(
                f'{type(terms[0].loss).__name__} may learn layers for the shapes of a single teacher; the model has '
                f'{len(self.teachers)}. Use one teacher, or a loss without learned layers.'
            )
        try:
            teacher = self.teachers[0].architecture()
        except AWAY:
            return
        self.accept(teacher)
        # The student's weights must be drawn as they would be without these layers.
        with torch.random.fork_rng(devices=[]):
            for term in terms:
                with evaluating(self, teacher):
                    student_gives, teacher_gives = self.example(term, teacher)
                term.loss.adapt(student_gives, teacher_gives)
        self._adapted = True

    def _named_terms(self) -> list[tuple[str, Term]]:
        return list(zip(self.term_names, self.terms, strict=True))

    def _apply(self, fn, recurse: bool = True):
        """Called by `.to`, `.cuda`, `.half` and `.double`; moves teachers and losses along with the student."""
        super()._apply(fn, recurse)
        for term in self.__dict__.get('terms', ()):
            # Losses that learn are submodules of this module, in `adaptors`.
            if not term.learns or 'adaptors' not in self._modules:
                term.loss._apply(fn)
        for teacher in self.__dict__.get('teachers', ()):
            teacher.follow(self)
        return self


def _unique_names(terms: list[Term]) -> list[str]:
    """`luminet`; `luminet_roi_cls` where two terms have the same loss; numbered where the tap is the same too."""
    shared = Counter(term.name for term in terms)
    names = [f'{term.name}_{term.tap}' if shared[term.name] > 1 else term.name for term in terms]
    return [f'{n}_{names[:i].count(n) + 1}' if names.count(n) > 1 else n for i, n in enumerate(names)]


def _first_tensor(losses: dict) -> Tensor:
    value = next(iter(losses.values()))
    return value if isinstance(value, Tensor) else value[0]


def _total(key: str, value) -> Tensor | float:
    """What mmengine's `parse_losses` adds to the total for this entry."""
    if 'loss' not in key:
        return 0.0
    parts = [value] if isinstance(value, Tensor) else value
    return sum(part.detach().mean() for part in parts)
