"""Simulated phones for tests: the twelve models the product promises, as they leave the factory."""

from __future__ import annotations

import random
from pathlib import Path

from provd.base.types import Mac
from provd.plugin import Model
from provd.plugin.phone import Handset, Phone
from provd.plugins.loader import load
from provd.simulate.load import phone_class

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"

SPA_MODELS = (
    Model("SPA502G", lines=1, common=("spa502G.cfg",)),
    Model("SPA504G", lines=4, keys=4, common=("spa504G.cfg",)),
    Model("SPA509G", lines=12, keys=12, common=("spa509G.cfg",)),
    Model("SPA514G", lines=4, keys=4, common=("spa514G.cfg",)),
    Model("SPA525G2", lines=5, keys=5, common=("spa525G2.cfg",)),
)
YEALINK_MODELS = (
    Model("T21P", lines=2, keys=2, common=("y000000000034.cfg",), traits={"family": 34, "generation": 72}),
    Model("T21P_E2", lines=2, keys=2, common=("y000000000052.cfg",), traits={"family": 52, "generation": 84}),
    Model("T23P", lines=3, keys=3, common=("y000000000044.cfg",), traits={"family": 44, "generation": 84}),
    Model("T27P", lines=6, keys=21, common=("y000000000045.cfg",), traits={"family": 45, "generation": 83}),
    Model("T48G", lines=16, keys=29, common=("y000000000035.cfg",), traits={"family": 35, "generation": 83}),
    Model("W52P", lines=5, common=("y000000000025.cfg",), traits={"family": 25, "generation": 81}),
    Model("W56P", lines=5, common=("y000000000025.cfg",), traits={"family": 25}),
)
MODELS = {model.name: model for model in SPA_MODELS + YEALINK_MODELS}


def make_phone(plugin: str, model: str, *, mac: str = "805ec0112233", version: str = "", seed: int = 1) -> Phone:
    """A factory-fresh phone."""
    made = phone_class(PLUGINS / plugin)
    assert made is not None
    known = MODELS.get(model) or load(PLUGINS / plugin).model(model)
    assert known is not None, model
    return made(known, Handset(Mac(mac), version=version), random.Random(seed))
