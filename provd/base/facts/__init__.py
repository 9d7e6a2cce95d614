"""Facts: every externally visible step as one frozen dataclass with a stable id.

Log lines, a device's timeline, the live tail, metrics and the page are readers of facts; nothing else logs. The
docstring of each fact is its paragraph for the operator: what it means and, after ``Do:``, what to do about it.
"""

from provd.base.facts.base import CATALOGUE, Fact, FactSink, Level, kinds_of, text_of

__all__ = ["CATALOGUE", "Fact", "FactSink", "Level", "kinds_of", "text_of"]
