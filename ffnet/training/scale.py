"""Scale the initial weights of each layer on the first batch (``net.init=measured``)."""

from __future__ import annotations

from ffnet.data.dataset import Split
from ffnet.model.net import FFNet
from ffnet.system.ranks import SINGLE, Ranks
from ffnet.training.draws import Draws


def scale_weights(net: FFNet, train: Split, draws: Draws, ranks: Ranks = SINGLE) -> None:
    """Scale each layer's weights so that mean y² is 1 on the first step's images."""
    net.train()
    share = ranks.share(len(draws.order_SB[0]))
    images_BCHW, labels_BK = net.prepare(draws.images(train, 0, share)), draws.labels_SBK[0, share]
    copies = 1 if net.has_codes else labels_BK.shape[1]
    net.scale_weights(net.embed(images_BCHW.repeat(copies, 1, 1, 1), labels_BK.T.reshape(-1)), ranks)
