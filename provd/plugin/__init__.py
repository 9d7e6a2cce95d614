"""L1: the plugin contract, version 1. This package is all that a vendor plugin may import."""

from provd.plugin.contract import (
    CONTRACT,
    ActionUri,
    DhcpAdvice,
    FileRule,
    Manifest,
    Match,
    Model,
    OptionValue,
    OuiRule,
    PnpAdvice,
    ResyncAdvice,
    StepRule,
    Writes,
)

__all__ = [
    "CONTRACT",
    "ActionUri",
    "DhcpAdvice",
    "FileRule",
    "Manifest",
    "Match",
    "Model",
    "OptionValue",
    "OuiRule",
    "PnpAdvice",
    "ResyncAdvice",
    "StepRule",
    "Writes",
]
