/** Native ESM; `.spec` pure, `.int-spec` real Redis and PostgreSQL, `.e2e-spec` whole processes. */
export default {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.[jt]s$': [
      '@swc/jest',
      {
        jsc: {
          target: 'es2022',
          parser: { syntax: 'typescript', decorators: true, dynamicImport: true },
          transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
          keepClassNames: true,
        },
        module: { type: 'es6' },
        swcrc: false,
      },
    ],
  },
  transformIgnorePatterns: ['/node_modules/(?!(?:.*/node_modules/)?(?:content-disposition|cookie)/)'],
  moduleNameMapper: {
    '^@tributary/runtime/(backoff|foreign-page|lua-script|reason|retry-after|wake-signal)$': '<rootDir>/libs/runtime/src/$1.ts',
    '^@tributary/([a-z]+)$': '<rootDir>/libs/$1/src/index.ts',
  },
  resolver: '<rootDir>/test/resolver.cjs',
  testSequencer: '<rootDir>/test/sequencer.mjs',
  testMatch: ['<rootDir>/{apps,libs,scripts,test}/**/*.{spec,int-spec,e2e-spec}.ts'],
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/.tributary/'],
  globalSetup: '<rootDir>/test/global-setup.mjs',
  globalTeardown: '<rootDir>/test/global-teardown.mjs',
  reporters: ['default', '<rootDir>/scripts/tests/count-reporter.mjs'],
  workerIdleMemoryLimit: '800MB',
  maxWorkers: 2,
  testTimeout: 120_000,
};
