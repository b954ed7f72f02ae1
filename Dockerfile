FROM node:24.10.0-trixie-slim AS packages
WORKDIR /waggle
COPY package.json package-lock.json .npmrc ./
# A registry may lack packages for platforms that are not this one, which `npm ci` takes for a lock file that does not fit.
RUN npm ci --omit=dev || npm install --omit=dev --no-save

FROM node:24.10.0-trixie-slim
WORKDIR /waggle
ENV NODE_ENV=production
COPY --from=packages /waggle/node_modules node_modules
COPY . .
RUN mkdir -p /data && chown node:node /data
USER node
ENV WAGGLE_DATA_DIR=/data
VOLUME /data
ENTRYPOINT ["node", "ops/cli/main.ts"]
CMD ["--help"]
