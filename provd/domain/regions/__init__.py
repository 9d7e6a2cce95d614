"""Which instance looks after a device that has one global home and several regional ones, and how it gets there."""
