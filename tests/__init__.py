"""tests – folder by folder as the package, and beside it conformance, e2e and fuzz."""
