"""L2: pure domain rules and records. No input, output, clock or database."""
