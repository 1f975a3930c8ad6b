"""Alembic runs the migrations on the connection that `Database` hands it."""

from alembic import context

from streams.feed import tables, tables_access, tables_hooks  # noqa: F401  (its tables join the same metadata)

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=tables.metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
