"""The engine as a state machine: whatever clients do and whenever the disk answers, nobody loses and nobody doubles."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from provd.base.types import ip_text
from provd.dhcp.effects import To
from provd.dhcp.options import Type
from provd.dhcp.packet import decode
from provd.dhcp.table import UNREQUESTED
from tests.dhcp.playbook import SERVER, Playbook, ip, lan

clients = st.integers(0, 5)
HOLD = 120.0


class Network(RuleBasedStateMachine):
    """Six clients and four addresses; ``believed`` is who was told by an ACK that it has which, until when."""

    @initialize(probe=st.booleans())
    def start(self, probe):
        self.play = Playbook(
            lan(pools=((ip("10.20.0.10"), ip("10.20.0.13")),), lease=600, probe=probe), quarantine=300.0
        )
        self.play.disk_waits = True
        self.clients = [self.play.client(n) for n in range(6)]
        self.offered: dict[int, tuple[int, float]] = {}
        self.believed: dict[int, tuple[int, float]] = {}
        self.seen = 0

    def watch(self):
        """Look at what was sent since the last look."""
        for send in self.play.sent[self.seen :]:
            message = decode(send.payload)
            number = int(message.mac[-2:], 16)
            if message.type == Type.OFFER:
                for other, (address, until) in list(self.offered.items()):
                    if other != number and address == message.yiaddr and until > self.play.now:
                        # An empty pool gives away what nobody came for; its first client has a NAK coming.
                        assert self.play.now > until - HOLD + UNREQUESTED, "an address offered to two clients"
                        del self.offered[other]
                for other, (address, until) in self.believed.items():
                    taken = other != number and address == message.yiaddr and until > self.play.now
                    assert not taken, "an address offered that another client has"
                self.offered[number] = (message.yiaddr, self.play.now + HOLD)
            elif message.type == Type.ACK:
                lease = self.play.disk[message.yiaddr]
                assert lease.mac == message.mac, "an ACK before its lease was on disk"
                for other, (address, until) in self.believed.items():
                    taken = other != number and address == message.yiaddr and until > self.play.now
                    assert not taken, "an address given to two clients"
                assert lease.expires >= self.play.now + 590
                self.offered.pop(number, None)
                self.believed[number] = (message.yiaddr, self.play.now + 590)
            elif message.type == Type.NAK:
                assert send.to is To.BROADCAST
        self.seen = len(self.play.sent)

    @rule(number=clients)
    def discover(self, number):
        self.play(self.clients[number].discover())
        self.watch()

    @rule(number=clients, wanted=st.integers(8, 15))
    def discover_with_a_wish(self, number, wanted):
        self.play(self.clients[number].discover(f"10.20.0.{wanted}"))
        self.watch()

    @rule(number=clients, foreign=st.booleans())
    def select(self, number, foreign):
        if number in self.offered:
            address = ip_text(self.offered[number][0])
            self.play(self.clients[number].select(address, SERVER + 8 if foreign else SERVER))
            if foreign:
                del self.offered[number]
            self.watch()

    @rule(number=clients, address=st.integers(9, 14))
    def reboot(self, number, address):
        self.play(self.clients[number].reboot(f"10.20.0.{address}"))
        self.watch()

    @rule(number=clients, address=st.integers(9, 14), direct=st.booleans())
    def renew(self, number, address, direct):
        self.play(self.clients[number].renew(f"10.20.0.{address}"), to=SERVER if direct else 0xFFFFFFFF)
        self.watch()

    @rule(number=clients, verb=st.sampled_from(["release", "decline"]))
    def give_up(self, number, verb):
        if number in self.believed:
            address, _ = self.believed.pop(number)
            self.play(getattr(self.clients[number], verb)(ip_text(address)))
            self.offered.pop(number, None)
            self.watch()

    @rule(works=st.booleans())
    def the_disk_answers(self, works):
        if works:
            self.play.flush()
        else:
            batch, self.play.waiting = self.play.waiting, []
            refused = [persist for persist in batch if persist.then is not None]
            self.play.disk |= {persist.lease.ip: persist.lease for persist in batch if persist.then is None}
            if refused:
                self.play.perform(self.play.engine.persist_failed(refused, "disk full", self.play.now))
        self.watch()

    @rule(conflict=st.booleans())
    def a_probe_ends(self, conflict):
        if self.play.probes:
            probe = self.play.probes.pop(0)
            self.play.probed(ip_text(probe.ip), "020000000099" if conflict else None)
            self.watch()

    @rule(seconds=st.sampled_from([1.0, 60.0, 121.0, 301.0, 700.0]))
    def time_passes(self, seconds):
        self.play.passes(seconds)
        self.watch()

    @rule()
    def restart(self):
        """A new engine from what is on disk; what was on its way is lost, and so are the offers."""
        self.play.waiting = []
        self.play.probes = []
        self.offered.clear()
        self.play.boot()
        self.watch()

    @invariant()
    def who_has_an_ack_has_its_lease(self):
        if not hasattr(self, "play"):
            return
        # A lease that a waiting RELEASE or DECLINE is about to end may still be believed by nobody.
        for number, (address, until) in self.believed.items():
            if until > self.play.now:
                mac = f"805ec00000{number:02x}"
                assert self.play.engine.holder(address, self.play.now) == mac


TestNetwork = Network.TestCase
TestNetwork.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
