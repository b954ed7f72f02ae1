FROM node:24.10.0-trixie-slim AS packages
WORKDIR /waggle
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts
# Backends that the image is built without, with commas between them: clickhouse, tensorflow, onnx.
ARG WITHOUT=""
COPY ops/deploy/image-packages.ts ops/deploy/image-packages.ts
RUN node ops/deploy/image-packages.ts node_modules "$WITHOUT"
# The list of all packages in CycloneDX' form. Packages of backends that were left out are in it too.
RUN npm sbom --omit=dev --package-lock-only --sbom-format=cyclonedx > sbom.json

FROM node:24.10.0-trixie-slim
WORKDIR /waggle
ENV NODE_ENV=production
# As the launcher sets it: many threads handle pictures, and glibc would keep an arena for each, with memory that was freed.
ENV MALLOC_ARENA_MAX=2
COPY --from=packages /waggle/node_modules node_modules
COPY --from=packages /waggle/sbom.json sbom.json
COPY . .
RUN mkdir -p /data && chown node:node /data
# By number, so that Kubernetes can tell that it is not root.
USER 1000:1000
ENV WAGGLE_DATA_DIR=/data
# The image runs with a root file system that is read-only: nothing else is written.
VOLUME ["/data", "/tmp"]
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=300s --retries=3 CMD ["node", "ops/deploy/health-check.ts"]
ENTRYPOINT ["node", "ops/cli/main.ts"]
CMD ["--help"]
