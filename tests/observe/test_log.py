import json
import os

from provd.base.facts import Level
from provd.observe.log import LogWriter, in_journal, write_if_ready
from tests.observe.kit import FixedClock, Timer, degraded, recovered, refused, served


class Paper:
    """Where lines go; ``broken`` is a pipe that nobody empties."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.broken = False

    def __call__(self, octets: bytes) -> bool:
        if not self.broken:
            self.pieces.append(octets)
        return not self.broken

    @property
    def lines(self) -> list[str]:
        return b"".join(self.pieces).decode().splitlines()


def writer(**options):
    paper, clock, timer = Paper(), FixedClock(), Timer()
    return LogWriter(paper, clock, timer, **options), paper, clock, timer


def test_text_lines_tell_when_how_grave_and_what():
    log, paper, _, _ = writer()
    log([recovered(), degraded()])
    assert paper.lines == [
        "2027-01-15T08:00:00.000Z INFO    RECOVERED part=tftp",
        '2027-01-15T08:00:00.000Z ERROR   DEGRADED part=tftp reason="port in use"',
    ]


def test_json_lines_are_json():
    log, paper, _, _ = writer(style="json")
    log([served(), degraded()])
    assert [json.loads(line)["fact"] for line in paper.lines] == ["FILE-SERVED", "DEGRADED"]


def test_the_journal_gets_levels_and_keeps_the_time_itself():
    log, paper, _, _ = writer(journal=True)
    log([recovered(), refused(mac=None), degraded()])
    assert [line[:12] for line in paper.lines] == ["<6>RECOVERED", "<4>FILE-REFU", "<3>DEGRADED "]


def test_the_level_filters():
    log, paper, _, _ = writer(level=Level.ERROR)
    log([recovered(), refused(), degraded()])
    assert len(paper.lines) == 1


def test_a_storm_is_cut_and_summed_up_while_errors_get_through():
    log, paper, clock, timer = writer(per_second=3)
    log([served() for _ in range(1000)])
    log([*[served() for _ in range(12_515)], degraded()])
    assert len(paper.lines) == 4
    assert "DEGRADED" in paper.lines[-1]
    assert len(timer.calls) == 1
    clock.time += 1
    timer.fire()
    assert paper.lines[4:] == ["2027-01-15T08:00:01.000Z INFO    … 13512 more of FILE-SERVED"]
    log([recovered()])
    assert paper.lines[5].endswith("RECOVERED part=tftp")
    assert timer.calls == []


def test_the_summary_comes_with_the_next_batch_or_at_the_end():
    log, paper, clock, _ = writer(per_second=1, style="json")
    log([served(), served(), recovered()])
    clock.time += 1.5
    log([served(), served()])
    log.finish()
    more = [json.loads(line) for line in paper.lines if '"more"' in line]
    assert [(line["fact"], line["more"]) for line in more] == [("FILE-SERVED", 1), ("RECOVERED", 1), ("FILE-SERVED", 1)]


def test_lines_are_written_in_pieces_that_a_pipe_takes_whole():
    log, paper, _, _ = writer()
    log([served() for _ in range(200)])
    assert len(paper.lines) == 200
    assert max(map(len, paper.pieces)) <= 4096
    assert all(piece.endswith(b"\n") for piece in paper.pieces)


def test_a_reader_that_does_not_read_costs_lines_not_time():
    log, paper, _, _ = writer()
    paper.broken = True
    log([served(), served()])
    log([served()])
    assert log.lost == 3
    paper.broken = False
    log([recovered()])
    assert [line.partition("INFO    ")[2] for line in paper.lines] == [
        "… 3 lines could not be written",
        "RECOVERED part=tftp",
    ]
    assert log.lost == 0


def test_a_full_pipe_is_not_waited_for():
    reader, sender = os.pipe()
    try:
        assert write_if_ready(sender, b"hello\n")
        assert os.read(reader, 100) == b"hello\n"
        while write_if_ready(sender, b"x" * 4096):
            pass
        assert not write_if_ready(sender, b"hello\n")
        assert os.get_blocking(sender)
    finally:
        os.close(reader)
    assert not write_if_ready(sender, b"hello\n")
    os.close(sender)
    assert not write_if_ready(sender, b"hello\n")


def test_the_journal_is_known_by_device_and_inode(tmp_path):
    with (tmp_path / "log").open("wb") as stream:
        status = os.fstat(stream.fileno())
        assert in_journal(stream.fileno(), {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"})
        assert not in_journal(stream.fileno(), {"JOURNAL_STREAM": "1:2"})
        assert not in_journal(stream.fileno(), {})
    assert not in_journal(-1, {})
