import { type FuzzProgram, readFuzzOptions, runProgram } from './engine/run.js';
import { FramesTarget } from './frames/target.js';

const PROGRAM: FuzzProgram = {
  name: 'frames',
  about:
    "changed frames of the simulator's encoder through the frame reader, the decoders and the normaliser: a typed outcome, bounded\ntime and memory, and the next sound frame is read as if nothing had been",
  count: 500_000,
  parallel: 1,
};
const options = readFuzzOptions(PROGRAM);
const target = new FramesTarget();

await runProgram(PROGRAM, options, target, () => target.measures());
