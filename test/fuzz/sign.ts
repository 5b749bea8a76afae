import { type FuzzProgram, readFuzzOptions, runProgram } from './engine/run.js';
import { startAttackedStack } from './http/attacked-stack.js';
import { ProcessTarget } from './http/process-target.js';
import { SignProtocol } from './sign/protocol.js';

const PROGRAM: FuzzProgram = {
  name: 'sign',
  about:
    'a real signer, with the simulator as its one provider, under requests to each of its routes, changed tokens and broken HTTP:\neach answer as clients rely on it within a second, memory flat, honest clients served all the time',
  count: 200_000,
  parallel: 8,
  restEvery: 500,
};
const options = readFuzzOptions(PROGRAM);
const attacked = await startAttackedStack();
try {
  const { stack } = attacked;
  const target = new ProcessTarget('sign', stack.signer, stack.urls.signer, await SignProtocol.start(attacked));
  try {
    await runProgram(PROGRAM, options, target, () => target.measures());
  } finally {
    await target.close();
  }
} finally {
  await attacked.stop();
}
