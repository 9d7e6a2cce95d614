"""Ethernet, ARP and IPv4/UDP frames; raw sockets and netlink."""
