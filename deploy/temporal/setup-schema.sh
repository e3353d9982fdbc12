#!/bin/sh
# Brings Temporal's own two databases to the schema of this server version. Safe to repeat: what is there is left alone.
# Takes SQL_HOST, SQL_PORT, SQL_USER and SQL_PASSWORD; temporal-sql-tool reads the password from there itself.
set -eu

for database in temporal visibility; do
  name=temporal
  [ "$database" = visibility ] && name=temporal_visibility
  tool() {
    temporal-sql-tool --plugin postgres12 --endpoint "$SQL_HOST" --port "$SQL_PORT" --user "$SQL_USER" --database "$name" "$@"
  }
  tool setup-schema --version 0.0
  tool update-schema --schema-dir "/etc/temporal/schema/postgresql/v12/$database/versioned"
done
