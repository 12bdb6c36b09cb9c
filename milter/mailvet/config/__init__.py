"""config – mailvet.toml, read into settings: every mistake at once, and what is hardly meant, as warnings.

Door       `load.load`
Imports    everything before it; pydantic in one file
"""
