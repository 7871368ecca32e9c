"""The ledger's migrations, one module each, in order."""
