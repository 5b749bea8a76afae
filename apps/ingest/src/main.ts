import { runProcess } from '@tributary/runtime';
import { IngestModule } from './ingest.module.js';

await runProcess({
  name: 'ingest',
  port: (config) => config.ingestPort,
  module: (config, logger) => IngestModule.of(config, logger),
});
