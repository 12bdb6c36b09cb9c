"""store – what is kept in SQLite or PostgreSQL.

Entry      `breach.BreachStore`; each store is built on `database.Database`
Imports    everything before it; SQLAlchemy in this folder only
"""
