"""SIP on UDP and TCP."""
