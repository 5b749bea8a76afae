import 'reflect-metadata';
import { runProcess } from '@tributary/runtime';
import { ApiModule, prepareApi } from './api.module.js';

await runProcess({
  name: 'api',
  port: (config) => config.apiPort,
  module: (config, logger) => ApiModule.of(config, logger),
  prepare: prepareApi,
});
