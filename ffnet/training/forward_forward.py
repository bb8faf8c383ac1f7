"""One step of forward-forward learning: layer by layer in closed form.

- each layer sees, learns from its own goodness, pools and passes on; then its maps are freed
- the optimizer steps once for all layers, after the last one
- `first_layer=with_next` and `detach=false`, which are not layer-local, go by autograd over the layers that they join
- hard negatives come from a table of every image's logits, by the last layer's goodness when it was last seen

Letters of shapes: B images of a step (or of a rank's share), K labels per image (the right one first), N = K·B embedded
images, C channels, H×W pixels, R rows of the table.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor

from ffnet.data.dataset import Split
from ffnet.data.images import to_unit
from ffnet.model.fast_cpu.scratch import Scratch
from ffnet.model.layer import LocalLayer
from ffnet.model.net import FFNet, ForwardPass
from ffnet.system.ranks import ALONE, Ranks
from ffnet.training import negatives
from ffnet.training.draws import Draws
from ffnet.training.learner import EpochSums, Metrics, make_optimizer
from ffnet.training.losses import LogitScale, discriminates, get_loss
from ffnet.training.peer import PeerNormalization, mean_activity


class FFLearner:
    """Every layer learns from its own goodness, as soon as it is active; the next one receives what it passed on.

    Parameters
    ----------
    net
        The net.
    images
        How many training images there are: hard negatives keep a row of logits for each.
    ranks
        The processes that train the net together: each sees its share of every batch, all keep the same state.
    """

    def __init__(self, net: FFNet, images: int, ranks: Ranks = ALONE) -> None:
        config = net.config
        self.net, self.config, self.ranks = net, config, ranks
        self.loss = get_loss(config.train.loss)
        self.first_layer = config.net.first_layer
        depth = len(net.layers)
        joined = depth if not config.net.detach else 2 if self.first_layer == "with_next" else 1
        self.joined = joined if joined > 1 else 0
        """How many of the first layers learn together, by autograd; all others alone."""
        self.learning = [k for k in range(depth) if k > 0 or self.first_layer != "random"]
        self.parameters = [p for k in self.learning for p in net.layers[k].parameters()]
        self.optimizer = make_optimizer(self.parameters, config)
        biases = [layer.bias for layer in net.layers]
        self.peer = PeerNormalization(config.train.peer, biases, ranks) if config.train.peer else None
        self.epoch_sums = EpochSums(net.layers[0].weight.detach(), depth, 2)
        self.figures = torch.zeros_like(self.epoch_sums.totals)
        """Loss and discrimination accuracy of every layer in the step."""
        self.scratch = Scratch()
        self.peaks = [torch.zeros_like(bias_C.detach()) for bias_C in biases]
        """The largest mean square of every channel in the epoch: a layer without any is dead."""
        self.last_theta = 1.0
        """What the goodness of the last layer is divided by in the table: its threshold, where that is above 1."""
        self.hard = config.train.negatives == "hard"
        self.table = torch.zeros(images if self.hard else 0, len(net.labels), device=net.device)

    @property
    def labels_on(self) -> torch.device | None:
        """Labels that are drawn image by image are grouped on the host: there they need not be waited for."""
        on_host = not self.net.labels.labeler.image_independent and not self.hard
        return torch.device("cpu") if on_host else None

    def step(self, train: Split, draws: Draws, k: int) -> None:
        """Draw the labels of step k, then let each layer see, learn, pool, pass on."""
        if self.config.net.init == "measured" and draws.epoch == 0 and k == 0:
            scale_weights(self.net, train, draws, self.ranks)
        index_B, labels_BK = draws.order_SB[k], draws.labels_SBK[k]
        if self.hard:
            wrong_BK = negatives.hard(labels_BK[:, 0], draws.noise_SBK[k], self.table[index_B])
            labels_BK = torch.cat([labels_BK[:, :1], wrong_BK], 1)
        share = self.ranks.share(len(index_B))
        self.learn(draws.images(train, k, share), labels_BK[share], index_B[share])

    @torch.no_grad()
    def learn(self, images_BCHW: Tensor, labels_BK: Tensor, index_B: Tensor | None = None) -> None:
        """Take one step on images with a right label (column 0) and wrong ones.

        Parameters
        ----------
        images_BCHW
            Bytes or floats in [0, 1].
        labels_BK
            Labels to draw; K − 1 wrong ones.
        index_B
            Which of the training images they are: their rows in the table of hard negatives.
        """
        self.net.train()
        copies = labels_BK.shape[1]

        # Embed: all positives first, then all first negatives, and so on.
        images_NCHW = to_unit(images_BCHW, self.net.wide).repeat(copies, 1, 1, 1)
        walk = self.net.forward_pass(self.net.embedder.embed(images_NCHW, labels_BK.T.reshape(-1)))
        del images_NCHW

        # Every layer leaves its gradient with its weights.
        layers = iter(walk)
        if self.joined:
            g_BK = self._joint(layers, walk, copies)
        for k, _ in layers:
            g_BK = self._local(k, walk, copies)

        # All layers step at once.
        self.ranks.finish()
        self.optimizer.step()
        self.epoch_sums.totals += self.ranks.mean(self.figures)
        self.epoch_sums.end_step()

        # Remember what the net took for right.
        if len(self.table) and index_B is not None:
            hardness_BK = self.ranks.gathered(self.config.train.alpha / self.last_theta * g_BK)
            rows_B, labels_BK = self.ranks.gathered(index_B), self.ranks.gathered(labels_BK)
            self.table[rows_B[:, None], labels_BK] = hardness_BK.to(self.table.dtype)

    def _local(self, k: int, walk: ForwardPass, copies: int) -> Tensor:
        """Let layer k see and learn alone, in closed form; return its goodness."""
        layer = self.net.layers[k]
        walk.x = layer.normalize_(walk.x, self.scratch, self.ranks)  # in this name: nothing holds the input any more
        walk.y = y_NCHW = layer.activity(walk.x, self.scratch)
        s_NC = layer.squares(y_NCHW)
        with torch.enable_grad():
            s_NC.requires_grad_()
            loss, g_BK = self._objective(k, s_NC, layer.goodness_pixels(y_NCHW), copies)
        if k in self.learning:
            learned = [] if layer.goodness_weight is None else [layer.goodness_weight]
            slope_NC, *by_weight_C = torch.autograd.grad(loss, [s_NC, *learned])
            offset_NC = self.peer.offset(k, y_NCHW, len(y_NCHW) // copies) if self.peer else None
            layer.weight.grad, layer.bias.grad = layer.gradient(
                walk.x, y_NCHW, slope_NC, self.scratch, offset_NC=offset_NC
            )
            for parameter, gradient in zip(learned, by_weight_C, strict=True):
                parameter.grad = gradient
            self.ranks.begin_mean(layer.weight.grad, layer.bias.grad, *by_weight_C)
        return g_BK

    def _joint(self, layers: Iterator[tuple[int, LocalLayer]], walk: ForwardPass, copies: int) -> Tensor:
        """Let the first layers see and learn together, by autograd: not layer-local; return the last one's goodness."""
        losses = []
        with torch.enable_grad():
            for k, layer in itertools.islice(layers, self.joined):
                walk.y = y_NCHW = layer(walk.x)
                loss, g_BK = self._objective(k, layer.squares(y_NCHW), layer.goodness_pixels(y_NCHW), copies)
                if k in self.net.counted or self.first_layer == "local":
                    losses.append(loss)
                    if self.peer:
                        losses.append(self.peer.loss(k, mean_activity(y_NCHW, len(y_NCHW) // copies)))
            parameters = [p for k in self.learning if k < self.joined for p in self.net.layers[k].parameters()]
            # What weighs the goodness of a layer whose loss is not in the sum has no gradient, and stays.
            gradients = torch.autograd.grad(torch.stack(losses).sum(), parameters, allow_unused=True)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        walk.y = y_NCHW.detach()
        return g_BK

    def _objective(self, k: int, s_NC: Tensor, pixels: int, copies: int) -> tuple[Tensor, Tensor]:
        """Return the loss of layer k and its goodness, (B, K); its figures are added up on the device."""
        g_BK = self.net.goodness_of(k, s_NC, pixels).view(copies, -1).T
        self.last_theta = max(1.0, self.net.goodness.theta(s_NC.shape[1], pixels))
        scale = self.scale(s_NC.shape[1], pixels)
        loss = self.loss(g_BK, scale).mean()
        right = discriminates(g_BK.detach(), self.config.train.loss, scale).mean()
        self.figures[k] = torch.stack([loss.detach(), right.to(loss.dtype)])
        largest_C = s_NC.detach().view(len(s_NC), len(self.peaks[k]), -1).amax((0, 2))
        torch.maximum(self.peaks[k], largest_C, out=self.peaks[k])
        return loss, g_BK.detach()

    def scale(self, channels: int, pixels: int) -> LogitScale:
        """Return what turns a layer's goodness into logits."""
        train = self.config.train
        theta = self.net.goodness.theta(channels, pixels) if train.theta is None else train.theta
        return LogitScale(theta, train.temperature, train.alpha)

    def tensors(self) -> dict[str, Tensor]:
        """Return the sums of the epoch so far, the table of hard negatives, running means of peer normalisation."""
        peaks = {f"peak.{k}": self.ranks.largest_(peak) for k, peak in enumerate(self.peaks)}
        means = {f"peer.{k}": mean_C for k, mean_C in enumerate(self.peer.means if self.peer else [])}
        return {**self.epoch_sums.tensors(), "table": self.table, **peaks, **means}

    def first_bad_step(self) -> int | None:
        """Return the first step of the epoch whose loss was not finite."""
        return self.epoch_sums.first_bad_step()

    def epoch_metrics(self) -> Metrics:
        """Return each layer's mean loss and discrimination accuracy, and which layers are dead."""
        mean = self.epoch_sums.take_means()
        peaks = [float(self.ranks.largest_(peak).max()) for peak in self.peaks]
        dead = [k + 1 for k, peak in enumerate(peaks) if k in self.learning and peak == 0]
        for peak in self.peaks:
            peak.zero_()
        return {
            "loss": sum(mean[k][0] for k in self.net.counted),
            "layer_loss": [loss for loss, _ in mean],
            "discrimination": [right for _, right in mean],
            "dead_layers": dead,
        }


def scale_weights(net: FFNet, train: Split, draws: Draws, ranks: Ranks = ALONE) -> None:
    """Scale the weights of every layer by the first step's images and labels (``net.init=measured``)."""
    net.train()
    share = ranks.share(len(draws.order_SB[0]))
    labels_BK = draws.labels_SBK[0, share]
    images_NCHW = net.prepare(draws.images(train, 0, share)).repeat(labels_BK.shape[1], 1, 1, 1)
    net.scale_weights(net.embedder.embed(images_NCHW, labels_BK.T.reshape(-1)), ranks)
