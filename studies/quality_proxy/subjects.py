"""The trained networks under study: each architecture three times, with other images unseen."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pandas as pd
from architectures import ARCHITECTURES, network
from proxies import Table, tables
from quantised import Outcome, QuantisedNet
from torch import Tensor
from training import EPOCHS, Split, splits, train

from codesign import Network

ERROR_BITS = (2, 3, 4)


@dataclass(frozen=True)
class Subject:
    """One trained network.

    Attributes
    ----------
    architecture : str
    fold : int
        Which third of the images it has not seen; also the seed of its training.
    network : Network
        As `codesign` knows it.
    net : QuantisedNet
    split : Split
    floating : Tensor, shape (held-out images, classes)
        Its logits in floating point.
    whole : Outcome
        What it makes of the held-out images in floating point.
    tables : mapping of str to table
        Sensitivities by proxy.
    seconds : float
        Of training.
    """

    architecture: str
    fold: int
    network: Network
    net: QuantisedNet
    split: Split
    floating: Tensor
    whole: Outcome
    tables: Mapping[str, Table]
    seconds: float

    def outcome(self, widths: Mapping[str, int]) -> Outcome:
        """How it does on the images it has not seen, at these widths."""
        return self.net.outcome(self.split.held_out, widths, self.floating)


def train_all(epochs: int = EPOCHS, most_images: int | None = None) -> Iterator[Subject]:
    """Train, calibrate and measure the sensitivities of every network, one after the other."""
    for architecture in ARCHITECTURES:
        for fold, split in enumerate(splits(most_images)):
            yield subject(architecture, fold, split, epochs)


def subject(architecture: str, fold: int, split: Split, epochs: int = EPOCHS) -> Subject:
    """Train one network and measure all that the study asks of it."""
    started = time.perf_counter()
    trained = train(architecture, split.trained, fold, epochs)
    seconds = time.perf_counter() - started
    net, described = QuantisedNet(trained, split.trained), network(architecture)
    floating = net.logits(split.held_out.values, {})
    return Subject(
        architecture=architecture,
        fold=fold,
        network=described,
        net=net,
        split=split,
        floating=floating,
        whole=net.outcome(split.held_out, {}, floating),
        tables=tables(net, described, split.trained),
        seconds=seconds,
    )


def frame(subjects: list[Subject]) -> pd.DataFrame:
    """One row per network: size, accuracy in floating point, and what its tables say."""
    return pd.DataFrame(
        {
            "architecture": subject.architecture,
            "fold": subject.fold,
            "layers": len(subject.network.layers),
            "macs": subject.network.macs,
            "weights": subject.network.weights,
            "trained_images": len(subject.split.trained),
            "held_out_images": len(subject.split.held_out),
            "accuracy": subject.whole.correct.mean(),
            "table_entries": sum(len(row) for row in subject.tables["loss"].values()),
            "loss_entries_cut_to_zero": _zeros(subject.tables["loss"]),
            **{f"weight_error_{bits}_bits": _weight_error(subject, bits) for bits in ERROR_BITS},
        }
        for subject in subjects
    )


def _weight_error(subject: Subject, bits: int) -> float:
    """Relative squared error of the weights, the mean over the layers."""
    names = [f"weight:{name}" for name in subject.network.weight_layers]
    return sum(subject.tables["weights"][name][bits] for name in names) / len(names)


def _zeros(table: Table) -> int:
    return sum(value == 0 for row in table.values() for value in row.values())
