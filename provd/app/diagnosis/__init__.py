"""What is wrong with a device, and what to do about it: for whoever stands in front of it.

Pure but for ``gather``: what is known of the device and its last facts come in, findings go out.
"""
