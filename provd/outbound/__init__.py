"""What provd asks of others: a PBX's manager interface, a phone's web server."""
