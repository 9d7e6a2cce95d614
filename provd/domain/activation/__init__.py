"""Activation of devices that are not phones: who may have a key, and when. Rules only, no input and no output."""
