"""DeiT for images of 32 pixels: deit_small_32px, deit_compact_32px."""

import torch
from torch import Tensor, nn
from torchvision.models import VisionTransformer

from luminet_det.classification.models.outputs import Outputs
from luminet_det.registry import MODELS


class DeiT(VisionTransformer):
    """torchvision's vision transformer on patches of 4 pixels: 64 tokens and the class token, without DeiT's
    distillation token (Touvron et al., arXiv 2012.12877; sizes of the Attention Probe, ICASSP 2022).

    Features are the tokens (B, 65, D) that enter the first block and leave each of the twelve, class token first. No
    block ends in a ReLU, so `before_relu` has the same tensors. The embedding is the class token after the last norm.

    Linear layers, class token and positions start from a truncated normal distribution of standard deviation 0.02, as
    in DeiT. (torchvision's last layer starts at zero: all logits would be equal, and their perception would have no
    direction.)

    Args:
        width: D.
        heads: Number of attention heads.
        num_classes: C.

    Raises:
        ValueError: The images are not of 32 x 32 (raised by `forward`).
    """

    # The left-hand names are timm's, which DeiT's own code uses too.
    key_map = (
        (r'^cls_token$', 'class_token'),
        (r'^pos_embed$', 'encoder.pos_embedding'),
        (r'^patch_embed\.proj\.', 'conv_proj.'),
        (r'^blocks\.(\d+)\.', r'encoder.layers.encoder_layer_\1.'),
        (r'\.norm([12])\.', r'.ln_\1.'),
        (r'\.attn\.qkv\.', '.self_attention.in_proj_'),
        (r'\.attn\.proj\.', '.self_attention.out_proj.'),
        (r'\.mlp\.fc1\.', '.mlp.0.'),
        (r'\.mlp\.fc2\.', '.mlp.3.'),
        (r'^norm\.', 'encoder.ln.'),
        (r'^head\.', 'heads.head.'),
    )

    def __init__(self, width: int, heads: int, num_classes: int) -> None:
        super().__init__(32, 4, 12, heads, width, 4 * width, num_classes=num_classes)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.MultiheadAttention):
                nn.init.trunc_normal_(module.in_proj_weight, std=0.02)
        nn.init.trunc_normal_(self.class_token, std=0.02)
        nn.init.trunc_normal_(self.encoder.pos_embedding, std=0.02)

    def forward(self, x: Tensor) -> Outputs:
        if x.shape[2:] != (32, 32):
            raise ValueError(f'This DeiT takes images of 32 x 32; found {x.shape[2]} x {x.shape[3]}. Resize them.')
        patches = self.conv_proj(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_token.expand(len(x), -1, -1), patches], dim=1) + self.encoder.pos_embedding
        features = [tokens]
        for block in self.encoder.layers:
            tokens = block(tokens)
            features.append(tokens)
        # The norm acts on each token separately, and the head needs only the class token.
        embedding = self.encoder.ln(tokens[:, 0])
        return Outputs(self.heads(embedding), tuple(features), tuple(features), embedding)


@MODELS.register_module()
def deit_small_32px(num_classes: int = 100) -> DeiT:
    """The teacher: width 384 with 3 heads."""
    return DeiT(384, 3, num_classes)


@MODELS.register_module()
def deit_compact_32px(num_classes: int = 100) -> DeiT:
    """The student: width 128 with 2 heads."""
    return DeiT(128, 2, num_classes)
