import { attack } from './http/attack.js';
import { ProcessTarget } from './http/process-target.js';
import { RestProtocol } from './rest/protocol.js';

await attack(
  {
    name: 'rest',
    about:
      'a real api process under requests made from its own OpenAPI document, and under broken HTTP: each answer by the catalog of\nproblems within a second, memory flat, stored data unharmed',
    count: 200_000,
    parallel: 8,
    restEvery: 500,
  },
  async (attacked) => new ProcessTarget('rest', attacked.stack.api, attacked.stack.urls.api, await RestProtocol.start(attacked)),
);
