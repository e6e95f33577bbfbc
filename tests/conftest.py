"""Being here puts tests/ on the import path, so that every test can use the shared test support."""
