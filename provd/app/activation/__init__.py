"""Activation of devices that are not phones: the use cases around ``provd.domain.activation``."""
