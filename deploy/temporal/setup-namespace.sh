#!/bin/sh
# Makes the namespace and the search attributes that Bellhop sets. Safe to repeat.
# Takes TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE, which the CLI reads itself.
set -eu

# The server answers on its port a moment before it can work: 30 tries are a minute.
tries=30
until temporal operator cluster health >/dev/null 2>&1; do
  tries=$((tries - 1))
  if [ "$tries" -le 0 ]; then
    echo "Temporal at $TEMPORAL_ADDRESS is not healthy" >&2
    exit 1
  fi
  sleep 2
done

if ! temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1; then
  # How long ended runs stay visible in the Temporal UI; Bellhop's own rows stay.
  temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention 7d
fi

# A new namespace reaches the server's caches within 10 s or so; until then it is unknown to them.
tries=30
until temporal operator search-attribute create --namespace "$TEMPORAL_NAMESPACE" \
  --name BellhopUserId --type Keyword \
  --name BellhopStatus --type Keyword \
  --name BellhopApps --type KeywordList; do
  tries=$((tries - 1))
  if [ "$tries" -le 0 ]; then
    echo "the search attributes could not be made" >&2
    exit 1
  fi
  sleep 2
done
