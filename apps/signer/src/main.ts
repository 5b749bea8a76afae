import { runProcess } from '@tributary/runtime';
import { prepareSigner, SignerModule } from './signer.module.js';

await runProcess({
  name: 'signer',
  port: (config) => config.signerPort,
  module: (config, logger) => SignerModule.of(config, logger),
  prepare: prepareSigner,
  bodyBytesMax: 131_072,
  ignoreDuplicateSlashes: true,
});
