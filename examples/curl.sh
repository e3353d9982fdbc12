#!/bin/sh
# The whole way with curl alone: a user, a run that waits for a connection, the link, the events, the answer.
#
#   BELLHOP_URL=http://localhost:8080 BELLHOP_API_KEY=… sh examples/curl.sh
set -eu
: "${BELLHOP_URL:=http://localhost:8080}" "${BELLHOP_API_KEY:?is printed by npm start}"
USER_ID=${1:-alice}

call() { # method path [json]
  curl --silent --show-error --fail-with-body --request "$1" "$BELLHOP_URL/v1$2" \
    --header "authorization: Bearer $BELLHOP_API_KEY" --header 'content-type: application/json' ${3:+--data "$3"}
}
field() { # the first text field of this name
  sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" | head -n 1
}

call PUT "/users/$USER_ID" '{}' >/dev/null

# The same key again gives the same run, so a script that is repeated after a lost answer starts nothing twice.
run=$(curl --silent --show-error --fail-with-body "$BELLHOP_URL/v1/runs" \
  --header "authorization: Bearer $BELLHOP_API_KEY" --header 'content-type: application/json' \
  --header "idempotency-key: example-$USER_ID" \
  --data "{\"userId\":\"$USER_ID\",\"task\":\"Tell #general on Slack: hello\",\"tools\":[\"SLACK_SEND_MESSAGE\"]}")
id=$(printf '%s' "$run" | tr ',' '\n' | field id)
echo "run $id"

# Events as they come, until the run ends; a broken connection goes on with --header 'last-event-id: <n>'.
# The answer above may have come before the run knew what it lacks, and an app may break later: the event tells.
curl --silent --no-buffer "$BELLHOP_URL/v1/runs/$id/events" \
  --header "authorization: Bearer $BELLHOP_API_KEY" --header 'accept: text/event-stream' |
  while read -r line; do
    case $line in event:*) echo "$line" ;; esac
    case $line in event:*connection.required)
      link=$(call GET "/runs/$id" | tr ',' '\n' | field connectUrl)
      if [ -n "$link" ]; then echo "connect Slack: $link"; fi
      ;;
    esac
  done

call GET "/runs/$id?wait=30s" | tr ',' '\n' | field output
