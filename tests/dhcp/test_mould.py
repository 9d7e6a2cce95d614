"""Replies out of a mould are, octet for octet, what the encoder gives."""

from hypothesis import given
from hypothesis import strategies as st

from provd.dhcp.packet import build, decode
from provd.dhcp.reply import Tail, encode_reply, lease_options, mould_for, size_limit

OCTETS = st.binary(min_size=1, max_size=40)


@given(
    mac=st.binary(min_size=6, max_size=6),
    other=st.binary(min_size=6, max_size=6),
    client=st.sampled_from([None, "personal", b"constant", b"x" * 300]),
    agent=st.none() | OCTETS,
    limit=st.none() | st.integers(0, 0xFFFF),
    items=st.lists(st.tuples(st.integers(60, 200), st.binary(max_size=120)), max_size=12),
    addresses=st.tuples(*[st.binary(min_size=4, max_size=4)] * 3),
    flags=st.sampled_from([0, 0x8000]),
)
def test_the_same_octets(mac, other, client, agent, limit, items, addresses, flags):
    def asked(hardware: bytes, xid: int) -> bytes:
        options = {60: b"x"}
        if client is not None:
            options[61] = b"\1" + hardware if client == "personal" else client
        if agent is not None:
            options[82] = agent
        if limit is not None:
            options[57] = limit.to_bytes(2, "big")
        return build(1, 1, xid, hardware, flags=flags, giaddr=7, options=options)

    ciaddr, yiaddr, siaddr = addresses
    tail = Tail([*lease_options(2, 1, 3600, 1800, 3150), *items])
    mould = mould_for(decode(asked(mac, 1)), tail, siaddr, personal=client == "personal")
    sent = asked(other, 2)
    expected = encode_reply(decode(sent), tail, ciaddr=ciaddr, yiaddr=yiaddr, siaddr=siaddr)
    if mould is None:
        assert len(expected) <= size_limit(decode(sent))
    else:
        assert mould.cast(sent, ciaddr, yiaddr) == expected
