"""A round of an offer: what it is to embed, and what came of it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property

from cloudnet_sdn.roles.effects.runner import Outcome
from cloudnet_sdn.roles.mapping.agreement import Part
from cloudnet_sdn.roles.mapping.standing import Standing
from cloudnet_sdn.roles.reserving.reservation import Reserved, Solved
from cloudnet_sdn.store.offers import Offer
from rdl.graph import Graph
from rdl.language.load import load_graph


@dataclass(frozen=True)
class Assignment:
    """What is to be embedded.

    Attributes:
        offer: for whom.
        graph: what is asked for, or proposed to providers.
        standing: the generation that it is to follow.
        until: when no further round is begun.
    """

    offer: Offer
    graph: Graph
    standing: Standing | None
    until: dt.datetime

    @property
    def relocate(self) -> bool:
        """Whether what could stay may move."""
        return bool(self.offer.options.get("relocate"))


@dataclass(frozen=True)
class Made:
    """A round, and what came of it."""

    solved: Solved
    reserved: Reserved
    outcome: Outcome

    @property
    def round(self) -> int:
        """Its number."""
        return self.reserved.round

    @cached_property
    def parts(self) -> dict[str, Part]:
        """What each provider below answered."""
        answers = {e.task.target: e.task.answer for e in self.outcome.entries}
        return {
            target: Part(load_graph(answer["graph"]), answer["choices"])
            for target, answer in answers.items()
            if "choices" in answer
        }

    @property
    def held(self) -> frozenset[str]:
        """The providers that keep their parts."""
        return frozenset(e.task.target for e in self.outcome.entries if "choices" in e.task.answer)

    @property
    def standing(self) -> Standing:
        """What is held of it, as something that another round is to follow."""
        whole = Standing(self.solved.overlay, self.reserved.overlay, self.reserved.mapping)
        return whole.at(self.held)
