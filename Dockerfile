# One file and Node: no packages of the registry are in the image. ssh is for --ssh.
FROM node:22-alpine AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
COPY scripts ./scripts
COPY LICENSE README.md MIGRATION.md CHANGELOG.md ./
RUN npm run build && npm run bundle

FROM node:22-alpine
RUN apk add --no-cache openssh-client \
 && rm -rf /usr/local/lib/node_modules /opt/yarn* /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/yarn* \
 && mkdir -p /state && chown node:node /state && chmod 0700 /state
COPY --from=build --chmod=0755 /build/dist-bundle/tenant-migrate.mjs /usr/local/bin/tenant-migrate
# Runs, undo logs and backups: give it a volume, or a stopped run cannot be resumed or taken back.
ENV TENANT_MIGRATE_STATE_DIR=/state NODE_ENV=production
VOLUME /state
WORKDIR /work
USER node
# Healthy while the program answers; with --metrics-port 9464 also while the run serves its metrics.
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s --retries=3 \
  CMD if [ -n "$TENANT_MIGRATE_METRICS_PORT" ]; then wget -q -O /dev/null "http://127.0.0.1:$TENANT_MIGRATE_METRICS_PORT/healthz"; else tenant-migrate --version >/dev/null; fi
# As process 1 it gets the signals itself: SIGTERM finishes the batches under way and exits 143.
STOPSIGNAL SIGTERM
ENTRYPOINT ["tenant-migrate"]
CMD ["--help"]
