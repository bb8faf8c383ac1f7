"""A training step where labels are codes over the channels: one activity gives the goodness of every label.

- each layer computes its activity and its pooled activity, and from the latter the goodness of all labels
- its loss is the cross-entropy of the softmax over all labels; its gradient is in closed form up to the energies
- the pooled activity is passed on, without a label; the optimizer steps once for all layers, after the last one

Letters of shapes: B images of a step (or of a rank's share), C channels, L labels, H×W pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ffnet.data.dataset import Split
from ffnet.data.images import to_unit
from ffnet.training.draws import Draws
from ffnet.training.layer_learner import LayerLearner, as_stored


class CodeLearner(LayerLearner):
    """Trains an `FFNet` whose labels are codes: each layer by the cross-entropy of the goodness of all labels."""

    def step(self, train: Split, draws: Draws, k: int) -> None:
        """Train every layer on the images of step k."""
        self.scale_first_weights(train, draws, k)
        index_B = draws.order_SB[k]
        share = self.ranks.share(len(index_B))
        self.learn(draws.images(train, k, share), train.classes[index_B[share]])

    @torch.no_grad()
    def learn(self, images_BCHW: Tensor, classes_B: Tensor) -> None:
        """Train every layer on images, bytes or floats in [0, 1], and their classes."""
        self.net.train()
        forward_pass = self.net.forward_pass(to_unit(images_BCHW, self.net.accumulate_dtype))
        for k, layer in forward_pass:
            # Forward.
            forward_pass.x = layer.normalize_(forward_pass.x, self.scratch, self.ranks)
            forward_pass.pooled, winners_BCHW = layer.pooled_activity(forward_pass.x, self.scratch)
            s_BC = layer.squares(forward_pass.pooled)

            # Gradient: by autograd from the loss to s and the codes, in closed form from s to the weights.
            with torch.enable_grad():
                g_BL = self.net.goodness_of(k, s_BC.requires_grad_(), layer.goodness_pixels(forward_pass.pooled))
                loss = cross_entropy(self.config.train.alpha * g_BL, classes_B)
            self.metrics.record(k, loss, told_apart(g_BL.detach(), classes_B), s_BC)
            if k in self.learning:
                slope_BC, *code_grads = torch.autograd.grad(loss, [s_BC, *layer.learned_goodness])
                layer.weight.grad, layer.bias.grad = layer.gradient_after_pooling(
                    forward_pass.x, forward_pass.pooled, winners_BCHW, slope_BC, self.scratch
                )
                for code, gradient in zip(layer.learned_goodness, code_grads, strict=True):
                    code.grad = as_stored(gradient, code)
                self.ranks.begin_mean(*(p.grad for p in layer.parameters() if p.grad is not None))

        # One optimizer step for all layers.
        self.finish_step()


def told_apart(g_BL: Tensor, classes_B: Tensor) -> Tensor:
    """Return the share of wrong labels whose goodness is below that of the right label, mean over the images."""
    right_B1 = g_BL.gather(1, classes_B[:, None])
    below_BL = (g_BL < right_B1).float()
    return below_BL.sum() / max(1, g_BL.numel() - len(g_BL))
