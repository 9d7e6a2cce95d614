from provd.base.types import Mac
from provd.observe.timeline import Timeline
from tests.observe.kit import MAC, OTHER, T0, recovered, refused, served, sighted


def test_a_boot_is_its_steps_with_gaps():
    timeline = Timeline()
    timeline([sighted(T0), served(T0 + 2.5), served(T0 + 3), sighted(T0 + 100, boot="b2"), served(T0 + 101, boot="b2")])
    newest, oldest = timeline.boots(MAC)
    assert (newest.id, [step.gap for step in newest.steps]) == ("b2", [0.0, 1.0])
    assert (oldest.id, [step.gap for step in oldest.steps], oldest.seconds) == ("b1", [0.0, 2.5, 0.5], 3.0)


def test_a_step_without_a_boot_belongs_to_the_boot_before_it():
    timeline = Timeline()
    timeline([served(T0 - 5, boot=""), sighted(T0), refused(T0 + 1), served(T0 + 2)])
    newest, before = timeline.boots(MAC)
    assert [step.fact.ID for step in newest.steps] == ["DEVICE-SIGHTED", "FILE-REFUSED", "FILE-SERVED"]
    assert before.id == ""


def test_nobody_knows_a_stranger():
    assert Timeline().boots(OTHER) == ()


def test_a_device_keeps_its_last_facts_only():
    timeline = Timeline(facts=3)
    timeline([served(T0 + second) for second in range(10)])
    assert [fact.at - T0 for fact in timeline.facts(MAC)] == [7, 8, 9]


def test_the_most_silent_device_is_forgotten_first():
    timeline = Timeline(devices=2)
    third = Mac("000000000003")
    timeline([served(mac=MAC), served(mac=OTHER), served(mac=MAC), served(mac=third)])
    assert not timeline.facts(OTHER)
    assert timeline.facts(MAC)
    assert timeline.facts(third)


def test_the_total_is_bounded():
    timeline = Timeline(total=10, facts=8)
    for number in range(100):
        timeline([served(mac=Mac(f"{number:012x}"))] * 4)
    assert sum(len(timeline.facts(Mac(f"{number:012x}"))) for number in range(100)) <= 10
    timeline([served(mac=MAC)] * 50)
    assert len(timeline.facts(MAC)) == 8


def test_warnings_of_everybody_newest_first():
    timeline = Timeline(warnings=2)
    timeline([refused(T0), recovered(), refused(T0 + 1, mac=None), refused(T0 + 2)])
    assert [fact.at - T0 for fact in timeline.warnings()] == [2, 1]
