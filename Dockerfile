FROM node:24.10.0-trixie-slim AS packages
WORKDIR /waggle
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts

FROM node:24.10.0-trixie-slim
WORKDIR /waggle
ENV NODE_ENV=production
# As the launcher sets it: many threads handle pictures, and glibc would keep an arena for each, with memory that was freed.
ENV MALLOC_ARENA_MAX=2
COPY --from=packages /waggle/node_modules node_modules
COPY . .
RUN mkdir -p /data && chown node:node /data
USER node
ENV WAGGLE_DATA_DIR=/data
VOLUME /data
ENTRYPOINT ["node", "ops/cli/main.ts"]
CMD ["--help"]
