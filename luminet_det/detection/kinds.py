"""Kinds of detectors and heads: which can be students, and which losses fit their heads."""

from collections.abc import Collection

from torch import Tensor, nn

from luminet_det.distillation.terms import Term

OTHERS = dict(
    panoptic_head='a panoptic segmentor',
    semantic_head='a panoptic segmentor',
    language_model='a detector with text prompts',
    detector='a semi-supervised detector around another one',
    semi_train_cfg='a semi-supervised detector around another one',
    encoder='a transformer',
    decoder='a transformer',
    num_queries='a transformer',
)


def refuse_other_kinds(settings: Collection[str]) -> None:
    """Raise ValueError if these settings of a model are those of a detector that cannot be a student."""
    others = dict(OTHERS)
    if 'roi_head' not in settings:
        others |= dict(mask_head='an instance segmentor without boxes to start from')
        if 'bbox_head' not in settings:
            others |= dict(rpn_head='a proposal network without a detector behind it')
    if part := next((key for key in others if key in settings), None):
        article = 'an' if part[0] in 'aeiou' else 'a'
        raise ValueError(
            f'The student has {article} {part}: it is {others[part]}, but a student must be a two-stage detector or '
            "one with a dense head. A detector with a neck can be a teacher on the tap 'neck'."
        )


def has_sigmoids(head: nn.Module) -> bool:
    """Whether a box head decides each class independently, by a sigmoid, rather than all by a softmax."""
    return bool(getattr(head.loss_cls, 'use_sigmoid', False))


def require_same_activation(student: nn.Module, teacher: nn.Module) -> None:
    """Raise ValueError if one of two box heads uses a sigmoid for each class and the other a softmax over all."""
    own, theirs = ('sigmoids' if has_sigmoids(head) else 'a softmax' for head in (student, teacher))
    if own != theirs:
        raise ValueError(
            f"The logits of the student's box head stand for {own}, those of the teacher's for {theirs}, so they "
            "cannot be compared. Use a teacher whose roi_head.bbox_head.loss_cls has the student's use_sigmoid, or "
            "compare features: tap='neck'."
        )


def require_class_columns(whose: str, cls_score: Tensor, head: nn.Module) -> None:
    """Raise ValueError unless a box head gives one logit (K, C + 1) for each class and the background."""
    if cls_score.shape[1] != head.num_classes + 1:
        raise ValueError(
            f'The {whose} gives {cls_score.shape[1]} logits for {head.num_classes} classes and the background, '
            f'as {type(head.loss_cls).__name__} needs them, but the tap roi_cls compares {head.num_classes + 1}. '
            'Use a loss_cls with one logit per class, such as CrossEntropyLoss, in its bbox_head.'
        )


def compares_classes(term: Term) -> bool:
    """Whether a term compares the class logits of box heads: those of its tap, or those that its loss computes."""
    return term.tap == 'roi_cls' or ('heads' in term.needs and bool(getattr(term.loss, 'cls_weight', True)))


def require_same_probabilities(term: Term, head: nn.Module, use_sigmoid: bool) -> None:
    """Raise ValueError unless the loss of a term uses a sigmoid or a softmax as the head does.

    Args:
        term: The term.
        head: The student's head.
        use_sigmoid: Whether the head decides each class independently.
    """
    if not getattr(term.loss, 'compares', None) or getattr(term.loss, 'use_sigmoid', False) == use_sigmoid:
        return
    kind, loss = type(head).__name__, type(term.loss).__name__
    if not use_sigmoid:
        advice = f'write use_sigmoid=False in loss=dict(type={loss!r}, ...).'
    elif hasattr(term.loss, 'use_sigmoid'):
        advice = f"write loss=dict(type='luminet_det.{loss}', use_sigmoid=True, ...)."
    elif 'heads' in term.needs:
        advice = f'{loss} has no such form; write cls_weight=0 in loss=dict(type={loss!r}, ...).'
    else:
        advice = f'{loss} has no such form; use KDLoss or LumiNetLoss with use_sigmoid=True.'
    does = 'decides each class independently, by a sigmoid' if use_sigmoid else 'takes a softmax over the classes'
    raise ValueError(
        f"{kind} {does}; the loss on its tap '{term.tap}' and the teacher's head have to do the same: {advice}"
    )
