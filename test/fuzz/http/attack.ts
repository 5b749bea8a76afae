import { type FuzzProgram, readFuzzOptions, runProgram } from '../engine/run.js';
import { type AttackedStack, startAttackedStack } from './attacked-stack.js';
import type { ProcessTarget } from './process-target.js';

/** Runs a program against one process of a whole system that is started for it, and stops that system. */
export async function attack(program: FuzzProgram, startTarget: (attacked: AttackedStack) => Promise<ProcessTarget>): Promise<void> {
  const options = readFuzzOptions(program);
  const attacked = await startAttackedStack();
  try {
    const target = await startTarget(attacked);
    try {
      await runProgram(program, options, target, () => target.measures());
    } finally {
      await target.close();
    }
  } finally {
    await attacked.stop();
  }
}
