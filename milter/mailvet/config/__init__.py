"""config – mailvet.toml, read into settings: every mistake at once, and what is hardly meant, as warnings.

Entry      `load.load`
Imports    everything before it; pydantic in one file
"""
