"""How the network is fitted, with torch; what comes out needs none.

One thread fits it, whatever the machine has: a sum over a batch comes out differently, in its last
bits, when several threads share it, and the same seed must give the same bytes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardfraud.errors import InvalidSetting
from cardfraud.models.matrix import Float32Matrix
from cardfraud.models.neural_network import DenseLayer, NeuralNetworkCore
from cardfraud.models.parameters import NeuralNetworkParameters
from cardfraud.models.piecewise import PiecewiseLinearEncoding, fit_encoding

_WARM_UP = 0.1
"""Share of the steps in which the learning rate rises to its peak; after it, it falls to 0."""
_HOPELESS = 1.5
"""A fit that ends with more than this many times the loss of the base rate alone has diverged."""


def fit_neural_network(
    parameters: NeuralNetworkParameters,
    features: Float32Matrix,
    labels: NDArray[np.bool_],
    weight: NDArray[np.float64],
    seed: int,
) -> NeuralNetworkCore:
    """Fit on features ``[N, F]``, labels ``[N]`` and weights ``[N]``, for a number of epochs.

    AdamW minimises the weighted cross-entropy over batches that are drawn anew in each epoch.

    Raises:
        InvalidSetting: torch is not installed, or the fit diverged.
    """
    torch = _torch()
    encoding = fit_encoding(features, parameters.bins)
    # Weights with mean 1: their unit then changes neither the loss nor the steps.
    scaled = (weight / weight.mean()).astype(np.float32)
    batches = _Batches(encoding, features, labels, scaled, parameters.batch_size)
    base_rate = float(np.average(labels, weights=weight))
    with _one_deterministic_thread(torch, seed):
        network = _network(torch, parameters, len(encoding), base_rate)
        loss = _descend(torch, network, parameters, batches, seed)
    base_loss = -(base_rate * np.log(base_rate) + (1 - base_rate) * np.log(1 - base_rate))
    if not loss <= _HOPELESS * base_loss:
        raise InvalidSetting(
            "neural_network",
            f"the fit diverged: loss {loss:.3g}, the base rate alone has {base_loss:.3g}",
            hint="lower learning_rate, or a positive_weight that is not needed",
        )
    layers = [
        DenseLayer(
            np.ascontiguousarray(part.weight.detach().numpy().T), part.bias.detach().numpy().copy()
        )
        for part in network
        if isinstance(part, torch.nn.Linear)
    ]
    return NeuralNetworkCore(encoding, layers, features.shape[1])


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise InvalidSetting(
            "estimator",
            "neural_network needs torch, which this environment does not have",
            hint="train it in the deep environment: .ci/environment deep, then .venv-deep",
        ) from error
    return torch


@contextmanager
def _one_deterministic_thread(torch: Any, seed: int) -> Iterator[None]:
    """Seed torch and hold it to one thread and repeatable algorithms; put all back afterwards."""
    threads = torch.get_num_threads()
    deterministic = torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(mode=True)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.use_deterministic_algorithms(mode=deterministic)
        torch.set_num_threads(threads)


def _network(torch: Any, parameters: NeuralNetworkParameters, inputs: int, base_rate: float) -> Any:
    sizes = [inputs, *parameters.hidden]
    parts = []
    for given, made in pairwise(sizes):
        parts += [torch.nn.Linear(given, made), torch.nn.ReLU()]
    last = torch.nn.Linear(sizes[-1], 1)
    # It starts at the base rate, so that no step is spent on finding out that fraud is rare.
    torch.nn.init.constant_(last.bias, float(np.log(base_rate / (1 - base_rate))))
    return torch.nn.Sequential(*parts, last)


@dataclass(frozen=True, slots=True)
class _Batches:
    """Training rows, dealt out in batches."""

    encoding: PiecewiseLinearEncoding
    features: Float32Matrix
    labels: NDArray[np.bool_]
    weight: NDArray[np.float32]
    size: int

    @property
    def number(self) -> int:
        """Batches of an epoch."""
        return -(-len(self.labels) // self.size)

    def epoch(self, torch: Any, random: np.random.Generator) -> Iterator[tuple[Any, Any, Any]]:
        """Inputs, labels and weights of each batch, as tensors; every row comes once."""
        order = random.permutation(len(self.labels))
        for first in range(self.number):
            rows = order[first :: self.number]
            yield (
                torch.from_numpy(self.encoding.encode(self.features[rows])),
                torch.from_numpy(self.labels[rows].astype(np.float32)),
                torch.from_numpy(self.weight[rows]),
            )


def _descend(
    torch: Any, network: Any, parameters: NeuralNetworkParameters, batches: _Batches, seed: int
) -> float:
    """Run all epochs; return the mean loss of the last."""
    random = np.random.default_rng(seed)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=parameters.learning_rate, weight_decay=parameters.weight_decay
    )
    steps, step, total = batches.number * parameters.epochs, 0, 0.0
    for _ in range(parameters.epochs):
        total = 0.0
        for inputs, labels, weight in batches.epoch(torch, random):
            for group in optimiser.param_groups:
                group["lr"] = parameters.learning_rate * _share_of_peak(step, steps)
            optimiser.zero_grad()
            loss = torch.nn.functional.binary_cross_entropy_with_logits(
                network(inputs)[:, 0], labels, weight
            )
            loss.backward()
            optimiser.step()
            total += float(loss.detach())
            step += 1
    return total / batches.number


def _share_of_peak(step: int, steps: int) -> float:
    """Learning rate of a step as a share of its peak: up in a line, then down in a line."""
    risen = (step + 1) / max(1.0, _WARM_UP * steps)
    return min(1.0, risen) * (1 - step / steps)
