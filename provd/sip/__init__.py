"""SIP (RFC 3261) as far as provisioning needs it: temporary accounts, dialed codes, NOTIFY, multicast ua-profile."""
