# One image, the role by command: node dist/apps/<api|signer|ingest|simulator>/src/main.js

FROM node:22-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --include=dev --no-audit --no-fund
COPY nest-cli.json tsconfig.json .swcrc ./
COPY apps apps
COPY libs libs
COPY scripts/servers scripts/servers
RUN node_modules/.bin/nest build api

# Without the optional packages: they are accelerators and the private PostgreSQL of `npm start`.
FROM node:22-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund

FROM node:22-bookworm-slim
WORKDIR /app
ENV NODE_ENV=production HOST=0.0.0.0
# Where the set-up of docker-compose.yml leaves the key of the workers, and where they keep what Redis does not take.
RUN install -d -o node -g node -m 0700 /keys /spool
COPY --from=packages /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json LICENSE ./
USER node
EXPOSE 3000 3001 3002
CMD ["node", "dist/apps/api/src/main.js"]
