"""L1: the plugin contract, version 1. This package is all that a vendor plugin may import."""

from provd.plugin.contract import (
    CONTRACT,
    DhcpAdvice,
    FileRule,
    Manifest,
    Match,
    Model,
    OptionValue,
    OuiRule,
)

__all__ = ["CONTRACT", "DhcpAdvice", "FileRule", "Manifest", "Match", "Model", "OptionValue", "OuiRule"]
