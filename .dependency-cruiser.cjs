/** The import rules of docs/architecture.md. `npm run check` fails on the first that is broken. */
const SPEC = '(\\.(int-spec|e2e-spec|live-spec|spec)|/(conformance|testing))\\.ts$|/testing/';
const DOMAIN = 'log|webcast|creators|signing';

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      comment: 'Two files that need each other are one file, or miss a third.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'apps-apart',
      comment: 'Apps talk over HTTP, Redis and PostgreSQL, never by import.',
      severity: 'error',
      from: { path: '^apps/([^/]+)/' },
      to: { path: '^apps/([^/]+)/', pathNot: '^apps/$1/' },
    },
    {
      name: 'libs-below-apps',
      severity: 'error',
      from: { path: '^libs/' },
      to: { path: '^apps/' },
    },
    {
      name: 'events-alone',
      comment: 'The contract depends on nothing of ours.',
      severity: 'error',
      from: { path: '^libs/events/' },
      to: { path: '^(libs|apps|bench|test|scripts)/', pathNot: '^libs/events/' },
    },
    {
      name: 'runtime-alone',
      comment: 'Runtime is for apps; it may know the contract, no other library.',
      severity: 'error',
      from: { path: '^libs/runtime/', pathNot: SPEC },
      to: { path: '^(libs|apps|bench|test|scripts)/', pathNot: '^libs/(runtime|events)/' },
    },
    {
      name: 'domain-libs-on-events',
      comment:
        'log, webcast, creators and signing know the contract, the pure backoff, wake signal and Retry-After, the Lua runner and reasons of errors, nothing else of ours.',
      severity: 'error',
      from: { path: `^libs/(${DOMAIN})/`, pathNot: SPEC },
      to: {
        path: '^(libs|apps|bench|test|scripts)/',
        pathNot: '^libs/($1|events)/|^libs/runtime/src/(backoff|lua-script|reason|retry-after|wake-signal)\\.ts$',
      },
    },
    {
      name: 'outbound-alone',
      comment: 'The guard of outbound connections judges addresses; it knows nothing else of ours.',
      severity: 'error',
      from: { path: '^libs/outbound/', pathNot: SPEC },
      to: { path: '^(libs|apps|bench|test|scripts)/', pathNot: '^libs/outbound/' },
    },
    {
      name: 'libs-without-nest',
      comment: 'Libraries are plain classes; only the transport strategy is made of Nest.',
      severity: 'error',
      from: { path: '^libs/', pathNot: `^libs/runtime/|^libs/log/src/transport\\.ts$|${SPEC}` },
      to: { path: 'node_modules/@nestjs/' },
    },
    {
      name: 'testing-for-tests',
      comment: 'libs/testing starts servers and fakes TikTok: for tests, benchmarks and the simulator alone.',
      severity: 'error',
      from: { path: '^(apps|libs)/', pathNot: `^libs/testing/|^apps/simulator/|${SPEC}` },
      to: { path: '^libs/testing/' },
    },
    {
      name: 'one-maker-of-redis-clients',
      comment: 'A client made elsewhere would miss the reconnect policy. Libraries receive theirs; one makes a command for it.',
      severity: 'error',
      from: {
        path: '^(apps|libs)/',
        pathNot: `^libs/(runtime/src/redis/redis|log/src/producer/encoded-command)\\.ts$|^libs/testing/|${SPEC}`,
      },
      to: { path: 'node_modules/ioredis/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'delivery-without-its-resource',
      comment: 'The webhook engine runs without the HTTP resource, which imports the engine.',
      severity: 'error',
      from: { path: '^apps/api/src/delivery/', pathNot: SPEC },
      to: { path: '^apps/api/src/webhooks/' },
    },
    {
      name: 'private-servers-of-their-own',
      comment: 'scripts/servers is copied into dist, and everything it imports must be there too.',
      severity: 'error',
      from: { path: '^scripts/servers/' },
      to: { path: '^(scripts|apps|libs|test|bench)/', pathNot: '^scripts/servers/' },
    },
    {
      name: 'scripts-before-packages',
      comment: 'The commands install the packages, so that they cannot need one; PostgreSQL is started after that.',
      severity: 'error',
      from: { path: '^scripts/', pathNot: '^scripts/servers/postgres(-binary)?\\.mjs$|\\.spec\\.ts$' },
      to: {
        dependencyTypes: ['npm', 'npm-dev', 'npm-optional', 'npm-peer', 'npm-no-pkg', 'npm-unknown'],
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'no-dev-package-in-production',
      comment: 'What runs in production must be installed there.',
      severity: 'error',
      from: { path: '^(apps|libs)/', pathNot: `^libs/testing/|${SPEC}` },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'no-undeclared-package',
      severity: 'error',
      from: { path: '^(apps|libs|bench|test|scripts)/' },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    },
    {
      name: 'everything-resolves',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|node_modules/\\.|\\.tributary)' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.mts', '.js', '.mjs', '.cjs', '.json'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
