from provd.http.quiet import quiet_logger


def test_nothing_is_logged(capsys, caplog):
    quiet_logger().error("a line of aiohttp's")
    assert caplog.records == []
    assert capsys.readouterr() == ("", "")
