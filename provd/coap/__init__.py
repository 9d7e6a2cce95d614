"""CoAP (RFC 7252) for devices that speak no HTTP. Needs aiocoap, which is imported only where it is used."""
