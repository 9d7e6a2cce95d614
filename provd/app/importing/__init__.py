"""Taking over what another provisioning server knows."""
