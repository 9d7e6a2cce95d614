"""The SIP endpoint as a pure machine: messages and time in, effects out."""
