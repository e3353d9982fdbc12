#!/bin/sh
# Run once by the postgres image, on an empty volume: a user and its databases for Bellhop and for Temporal.
# Neither is a superuser, because a superuser is not held by row-level security. CREATEROLE is for the migrations, which
# make the two roles that all of Bellhop's work runs as.
set -eu

psql --no-psqlrc --set=ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
  --set=bellhop_password="$BELLHOP_DB_PASSWORD" --set=temporal_password="$TEMPORAL_DB_PASSWORD" <<'SQL'
create role bellhop login createrole password :'bellhop_password';
create database bellhop owner bellhop;
create role temporal login password :'temporal_password';
create database temporal owner temporal;
create database temporal_visibility owner temporal;
SQL
