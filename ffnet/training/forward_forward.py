"""A training step of forward-forward learning: layer by layer, in closed form.

- each layer computes its activity, gets the gradient of its own loss, and passes its pooled activity on
- a layer's maps are freed before the next layer starts
- the optimizer steps once for all layers, after the last one
- `first_layer=with_next` and `detach=false`, which are not layer-local, use autograd over the layers that they join
- hard negatives come from a table: for each image and label the last layer's goodness when it was last seen, as a logit

Letters of shapes: B images of a step (or of a rank's share), K labels per image (the right one first), N = K·B embedded
images, C channels, H×W pixels.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor

from ffnet.data.dataset import Split
from ffnet.data.images import to_unit
from ffnet.model.forward_pass import ForwardPass
from ffnet.model.layer import LocalLayer
from ffnet.model.net import FFNet
from ffnet.system.ranks import SINGLE, Ranks
from ffnet.training import negatives
from ffnet.training.draws import Draws
from ffnet.training.layer_learner import LayerLearner, as_stored
from ffnet.training.losses import LogitScale, discriminates, get_loss
from ffnet.training.peer import PeerNormalization, mean_activity


class FFLearner(LayerLearner):
    """Trains an `FFNet`: each layer by the loss of its own goodness.

    Parameters
    ----------
    net
        The net.
    images
        Number of training images; hard negatives keep a row of logits for each.
    ranks
        The processes that train the net together. Each takes its share of every batch; all keep the same state.
    """

    def __init__(self, net: FFNet, images: int, ranks: Ranks = SINGLE) -> None:
        assert net.embedder is not None, "CodeLearner trains nets whose labels are codes"
        super().__init__(net, ranks)
        config, self.embedder = net.config, net.embedder
        self.loss = get_loss(config.train.loss)
        self.first_layer = config.net.first_layer
        depth = len(net.layers)
        joined = depth if not config.net.detach else 2 if self.first_layer == "with_next" else 1
        self.joined = joined if joined > 1 else 0
        """Number of first layers that learn together, by autograd; the others learn alone."""
        biases = [layer.bias for layer in net.layers]
        self.peer = PeerNormalization(config.train.peer, biases, ranks) if config.train.peer else None
        self.last_theta = 1.0
        """Divides the last layer's goodness in the table: its threshold, but at least 1."""
        self.hard = config.train.negatives == "hard"
        self.table = torch.zeros(images if self.hard else 0, len(net.labels), device=net.device)

    @property
    def labels_device(self) -> torch.device | None:
        """The CPU for image-dependent labels, so that grouping images by label need not wait for a GPU; else None."""
        on_host = not self.embedder.labels.labeler.image_independent and not self.hard
        return torch.device("cpu") if on_host else None

    def step(self, train: Split, draws: Draws, k: int) -> None:
        """Draw the wrong labels of step k, then train every layer on its images."""
        self.scale_first_weights(train, draws, k)
        index_B, labels_BK = draws.order_SB[k], draws.labels_SBK[k]
        if self.hard:
            wrong_BK = negatives.hard(labels_BK[:, 0], draws.noise_SBK[k], self.table[index_B])
            labels_BK = torch.cat([labels_BK[:, :1], wrong_BK], 1)
        share = self.ranks.share(len(index_B))
        self.learn(draws.images(train, k, share), labels_BK[share], index_B[share])

    @torch.no_grad()
    def learn(self, images_BCHW: Tensor, labels_BK: Tensor, index_B: Tensor | None = None) -> None:
        """Train every layer on images, each with its right label (column 0) and with K − 1 wrong ones.

        Parameters
        ----------
        images_BCHW
            Bytes or floats in [0, 1].
        labels_BK
            Labels to embed.
        index_B
            Indices of the images in the training split: their rows in the table of hard negatives.
        """
        self.net.train()
        copies = labels_BK.shape[1]

        # Embed: all positives first, then all first negatives, and so on.
        images_NCHW = to_unit(images_BCHW, self.net.accumulate_dtype).repeat(copies, 1, 1, 1)
        forward_pass = self.net.forward_pass(self.embedder.embed(images_NCHW, labels_BK.T.reshape(-1)))
        del images_NCHW

        # Every layer stores its gradient with its weights.
        layers = iter(forward_pass)
        if self.joined:
            g_BK = self._joint(layers, forward_pass, copies)
        for k, _ in layers:
            g_BK = self._local(k, forward_pass, copies)

        # One optimizer step for all layers.
        self.finish_step()

        # Update the table of hard negatives with the last layer's goodness.
        if len(self.table) and index_B is not None:
            hardness_BK = self.ranks.gathered(self.config.train.alpha / self.last_theta * g_BK)
            rows_B, labels_BK = self.ranks.gathered(index_B), self.ranks.gathered(labels_BK)
            self.table[rows_B[:, None], labels_BK] = hardness_BK.to(self.table.dtype)

    def _local(self, k: int, forward_pass: ForwardPass, copies: int) -> Tensor:
        """Compute layer k's activity and, in closed form, its gradient; return its goodness (B, K)."""
        # Forward. Assigning to `x` frees the input that is not normalised.
        layer = self.net.layers[k]
        forward_pass.x = layer.normalize_(forward_pass.x, self.scratch, self.ranks)
        forward_pass.y = y_NCHW = layer.activity(forward_pass.x, self.scratch)
        s_NC = layer.squares(y_NCHW)
        with torch.enable_grad():
            s_NC.requires_grad_()
            loss, g_BK = self._objective(k, s_NC, layer.goodness_pixels(y_NCHW), copies)

        # Gradient: by autograd from the loss to s, in closed form from s to the weights.
        if k in self.learning:
            slope_NC, *goodness_grads = torch.autograd.grad(loss, [s_NC, *layer.learned_goodness])
            offset = self.peer.offset(k, y_NCHW, len(y_NCHW) // copies) if self.peer else None
            layer.weight.grad, layer.bias.grad = layer.gradient(
                forward_pass.x, y_NCHW, slope_NC, self.scratch, offset=offset
            )
            for parameter, gradient in zip(layer.learned_goodness, goodness_grads, strict=True):
                parameter.grad = as_stored(gradient, parameter)
            self.ranks.begin_mean(*(p.grad for p in layer.parameters() if p.grad is not None))
        return g_BK

    def _joint(self, layers: Iterator[tuple[int, LocalLayer]], forward_pass: ForwardPass, copies: int) -> Tensor:
        """Compute the gradients of the joined first layers by autograd; return the goodness (B, K) of the last one."""
        losses = []
        with torch.enable_grad():
            for k, layer in itertools.islice(layers, self.joined):
                forward_pass.y = y_NCHW = layer(forward_pass.x)
                loss, g_BK = self._objective(k, layer.squares(y_NCHW), layer.goodness_pixels(y_NCHW), copies)
                if k in self.net.counted or self.first_layer == "local":
                    losses.append(loss)
                    if self.peer:
                        losses.append(self.peer.loss(k, mean_activity(y_NCHW, len(y_NCHW) // copies)))
            parameters = [p for k in self.learning if k < self.joined for p in self.net.layers[k].parameters()]
            # A goodness weight of a layer whose loss is not in the sum has no gradient: it does not change.
            gradients = torch.autograd.grad(torch.stack(losses).sum(), parameters, allow_unused=True)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = None if gradient is None else as_stored(gradient, parameter)
        forward_pass.y = y_NCHW.detach()
        return g_BK

    def _objective(self, k: int, s_NC: Tensor, pixels: int, copies: int) -> tuple[Tensor, Tensor]:
        """Return layer k's loss and its goodness (B, K); record its metrics and largest mean squares on the device."""
        g_BK = self.net.goodness_of(k, s_NC, pixels).view(copies, -1).T
        self.last_theta = max(1.0, self.net.goodness.theta(s_NC.shape[1], pixels))
        scale = self.logit_scale(s_NC.shape[1], pixels)
        loss = self.loss(g_BK, scale).mean()
        right = discriminates(g_BK.detach(), self.config.train.loss, scale).mean()
        self.metrics.record(k, loss, right, s_NC)
        return loss, g_BK.detach()

    def logit_scale(self, channels: int, pixels: int) -> LogitScale:
        """Return the scale that turns a layer's goodness into logits."""
        train = self.config.train
        theta = self.net.goodness.theta(channels, pixels) if train.theta is None else train.theta
        return LogitScale(theta, train.temperature, train.alpha)

    def tensors(self) -> dict[str, Tensor]:
        """Return the sums of this epoch, the table of hard negatives, and the running means of peer normalisation."""
        means = {f"peer.{k}": mean_C for k, mean_C in enumerate(self.peer.means if self.peer else [])}
        return {**super().tensors(), "table": self.table, **means}
