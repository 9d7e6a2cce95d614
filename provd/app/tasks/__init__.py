"""Tasks for devices: whose runs there are, when they are due, and who carries them out."""
