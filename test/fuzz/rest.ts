import { type FuzzProgram, readFuzzOptions, runProgram } from './engine/run.js';
import { startAttackedStack } from './http/attacked-stack.js';
import { ProcessTarget } from './http/process-target.js';
import { RestProtocol } from './rest/protocol.js';

const PROGRAM: FuzzProgram = {
  name: 'rest',
  about:
    'a real api process under requests made from its own OpenAPI document, and under broken HTTP: each answer by the catalog of\nproblems within a second, memory flat, stored data unharmed',
  count: 200_000,
  parallel: 8,
  restEvery: 500,
};
const options = readFuzzOptions(PROGRAM);
const attacked = await startAttackedStack();
try {
  const { stack } = attacked;
  const target = new ProcessTarget('rest', stack.api, stack.urls.api, await RestProtocol.start(attacked));
  try {
    await runProgram(PROGRAM, options, target, () => target.measures());
  } finally {
    await target.close();
  }
} finally {
  await attacked.stop();
}
