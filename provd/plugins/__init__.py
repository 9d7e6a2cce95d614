"""Loading, checking and rendering vendor plugins."""
