"""Firmware of devices: what there is of it here, which image a device is to run, and giving it to a fleet."""
