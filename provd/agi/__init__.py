"""FastAGI: a PBX hands over a call in which a code was dialed."""
