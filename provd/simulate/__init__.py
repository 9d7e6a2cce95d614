"""Virtual phones and the demonstration LAN."""
