"""SIP messages from octets and back (RFC 3261 section 7)."""
