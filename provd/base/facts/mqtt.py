"""Facts about messages over MQTT."""

from __future__ import annotations

from typing import ClassVar

from provd.base.dataclass import dataclass
from provd.base.facts.base import Fact, Level


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttIgnored(Fact):
    """Messages came on a topic of ours and nothing was done with them: retained ones, too large ones, and ones that
    are not what the topic is for. Told once a minute for each reason, with how many there were.

    Do: look who may publish there (the access rules of the broker); remove a retained message by publishing an empty
    one, retained, on its topic.
    """

    ID: ClassVar[str] = "MQTT-IGNORED"
    LEVEL: ClassVar[Level] = Level.WARNING

    topic: str
    reason: str
    count: int
