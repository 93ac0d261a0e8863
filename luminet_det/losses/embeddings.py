"""EmbeddingLoss: the base class of losses on the pooled features of two networks."""

from torch import Tensor, nn

from .settings import not_negative


class EmbeddingLoss(nn.Module):
    """A loss on the embeddings of the same images, times `loss_weight`; their sizes may differ.

    Args:
        loss_weight: Factor on the returned value.

    Raises:
        ValueError: If `loss_weight` is negative.
    """

    compares = 'embeddings'
    bridges = True

    def __init__(self, loss_weight: float) -> None:
        super().__init__()
        self.loss_weight = not_negative('loss_weight', loss_weight)

    def require_embeddings(self, student: Tensor, teacher: Tensor) -> None:
        """Raise ValueError unless these are embeddings (B, D_s) and (B, D_t) of the same images."""
        if student.dim() != 2 or teacher.dim() != 2 or len(student) != len(teacher):
            raise ValueError(
                f'{type(self).__name__} compares embeddings, student and teacher (B, D) of the same B images; '
                f'got student {tuple(student.shape)} and teacher {tuple(teacher.shape)}'
            )
