"""L0: what everybody may import - types, errors, the clock, secrets and the fact base class. No input or output."""
