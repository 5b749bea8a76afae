import { runProcess } from '@tributary/runtime';
import { prepareSigner, SIGNER_HTTP, SignerModule } from './signer.module.js';

await runProcess({
  name: 'signer',
  port: (config) => config.signerPort,
  module: (config, logger) => SignerModule.of(config, logger),
  prepare: prepareSigner,
  ...SIGNER_HTTP,
});
