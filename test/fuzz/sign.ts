import { attack } from './http/attack.js';
import { ProcessTarget } from './http/process-target.js';
import { SignProtocol } from './sign/protocol.js';

await attack(
  {
    name: 'sign',
    about:
      'a real signer, with the simulator as its one provider, under requests to each of its routes, changed tokens and broken HTTP:\neach answer as clients rely on it within a second, memory flat, honest clients served all the time',
    count: 200_000,
    parallel: 8,
    restEvery: 500,
  },
  async (attacked) => new ProcessTarget('sign', attacked.stack.signer, attacked.stack.urls.signer, await SignProtocol.start(attacked)),
);
