"""store – what is kept in SQLite or PostgreSQL.

Door       `breach.open_store`
Imports    everything before it; SQLAlchemy in this folder only
"""
