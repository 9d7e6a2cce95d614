from provd.http.views import BootStep, BootView


def test_a_boot_knows_when_it_began_and_how_long_it_took():
    boot = BootView("b1", (BootStep(10.0, 0.0, "DHCP-OFFER", "offer"), BootStep(12.5, 2.5, "DHCP-ACK", "ack")))
    assert (boot.started, boot.seconds) == (10.0, 2.5)
