# syntax=docker/dockerfile:1
# An image of the controller and of the command line: Node, the TypeScript that it runs as it is, and production dependencies.
ARG NODE_IMAGE=docker.io/library/node:26-slim

FROM ${NODE_IMAGE} AS dependencies
WORKDIR /sluice
COPY package.json package-lock.json ./
# Optional ones are the pinned Node for people's machines; the image has its own.
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund
COPY deploy/sbom.mjs ./deploy/
ARG SOURCE_DATE_EPOCH
RUN node deploy/sbom.mjs > sbom.spdx.json

FROM ${NODE_IMAGE}
LABEL org.opencontainers.image.title="sluice" \
      org.opencontainers.image.description="Progressive delivery for Kubernetes" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
# The program runs as it is: nothing in here installs anything.
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /usr/local/bin/yarn* /opt/yarn*
WORKDIR /sluice
COPY --from=dependencies /sluice/node_modules ./node_modules
COPY --from=dependencies /sluice/sbom.spdx.json ./
COPY package.json LICENSE ./
# What the demo gives to its embedded cluster.
COPY crds ./crds
COPY src ./src
ENV NODE_ENV=production NODE_DISABLE_COMPILE_CACHE=1
# Nobody by name: runAsNonRoot can only judge a number.
USER 65532:65532
ENTRYPOINT ["node", "/sluice/src/main.ts"]
CMD ["--help"]
