# The image of the API, the worker and the migrations: one image, the command chooses.
# TypeScript runs as it is, for Node 24 strips the types; only the workflow code is bundled ahead of time.
#
# The base is a tag because a digest belongs to the registry you pull from. For builds that repeat, give one:
#   docker build --build-arg NODE_IMAGE=node:24-slim@sha256:… .
# Alpine will not do: Temporal's native worker is built for glibc.
ARG NODE_IMAGE=node:24-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
# Neither this nor the next install needs a package's install script, so none gets to run.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY domain ./domain
COPY workflows ./workflows
COPY worker ./worker
COPY scripts ./scripts
COPY tsconfig.json ./
COPY console ./console
RUN npm run build
RUN npm run build:console

FROM ${NODE_IMAGE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
# Temporal's package brings its native part for five platforms, 140 MB; the image runs on one of them.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
  && find node_modules/@temporalio/core-bridge/releases -mindepth 1 -maxdepth 1 \
    ! -name "$(uname -m)-unknown-linux-gnu" -exec rm -r {} +

FROM ${NODE_IMAGE} AS runtime
# The native worker trusts the system's certificates, which the slim image lacks: without them no TLS to Temporal.
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates \
  && rm -rf /var/lib/apt/lists/* \
  && groupadd --system --gid 10001 bellhop \
  && useradd --system --uid 10001 --gid bellhop --no-create-home --home-dir /home/bellhop --shell /usr/sbin/nologin bellhop \
  && mkdir --mode=0555 /home/bellhop
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json ./
COPY domain ./domain
COPY workflows ./workflows
COPY activities ./activities
COPY composio ./composio
COPY net ./net
COPY model ./model
COPY mail ./mail
COPY db ./db
COPY config ./config
COPY api ./api
COPY telemetry ./telemetry
COPY worker ./worker
# HOME is empty and not writable: composio-core and Temporal's client would read a key or an address from files in it.
ENV NODE_ENV=production \
  HOME=/home/bellhop \
  BELLHOP_WORKFLOW_BUNDLE=/app/dist/workflow-bundle.js
USER 10001:10001
EXPOSE 8080 9464 9465
# Alive, not ready: a database that is down must not get the API killed. For the worker, ask WORKER_METRICS_PORT instead.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.PORT || 8080) + '/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# Exec form: SIGTERM reaches node, which drains. Run with an init (`docker run --init`), for a signal during the start.
CMD ["node", "--min-semi-space-size=32", "--max-semi-space-size=32", "--initial-old-space-size=256", "api/main.ts"]
