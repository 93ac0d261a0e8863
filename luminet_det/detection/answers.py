"""The outputs of a teacher for a batch."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass
class HeadAnswer:
    """A teacher's outputs for one call of the student's head, in the student's class order and box encoding.

    Attributes:
        cls_score: Logits: (K, C + 1) on K RoIs, (N, R, C) at the R priors of each image of a dense head; None if not
            requested.
        foreground_deltas: (F, 4) box deltas of the assigned class on the F foreground RoIs; None if not requested.
    """

    cls_score: Tensor | None = None
    foreground_deltas: Tensor | None = None

    @classmethod
    def cat(cls, parts: Sequence['HeadAnswer']) -> 'HeadAnswer':
        """The answers on consecutive images, one after the other."""
        return parts[0] if len(parts) == 1 else cls._joined(parts, _cat)

    @classmethod
    def mean(cls, answers: Sequence['HeadAnswer']) -> 'HeadAnswer':
        """The average of an ensemble's answers to the same call."""
        return answers[0] if len(answers) == 1 else cls._joined(answers, lambda each: sum(each) / len(each))

    @classmethod
    def _joined(cls, answers: Sequence['HeadAnswer'], join) -> 'HeadAnswer':
        said = ([answer.cls_score for answer in answers], [answer.foreground_deltas for answer in answers])
        return cls(*(None if parts[0] is None else join(parts) for parts in said))


def _cat(parts: Sequence[Tensor]) -> Tensor:
    """Concatenate along the first axis, keeping the memory layout of a dense head (see `dense_taps.flattened`)."""
    if parts[0].dim() != 3:
        return torch.cat(parts)
    return torch.cat([part.movedim(-1, 0) for part in parts], dim=1).movedim(0, -1)


@dataclass
class Answer:
    """The outputs of one teacher for a batch.

    Attributes:
        finite_images: (N,), whether the coarsest features of each image are finite.
        calls: The outputs of its head for each call of the student's head; empty if no term needs the head.
        maps: For each requested feature tap, the levels (N, C_i, H_i, W_i).
    """

    finite_images: Tensor
    calls: list[HeadAnswer] = field(default_factory=list)
    maps: dict[str, tuple[Tensor, ...]] = field(default_factory=dict)

    @classmethod
    def cat(cls, parts: Sequence['Answer']) -> 'Answer':
        """The answers on consecutive images, one after the other."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            torch.cat([part.finite_images for part in parts]),
            [HeadAnswer.cat(of_call) for of_call in zip(*(part.calls for part in parts), strict=True)],
            {tap: tuple(map(torch.cat, zip(*(p.maps[tap] for p in parts), strict=True))) for tap in parts[0].maps},
        )
