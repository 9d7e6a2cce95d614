"""Firmware and language packages on disk: the catalogue of a plugin, what is here, how it comes."""
