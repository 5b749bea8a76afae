import { parseArgs } from 'node:util';

/**
 * `NAME` for a real creator by way of a running signer, `--simulator` for a simulated one with servers of its own.
 * @param {string} file name of the example, for its usage
 */
export function readArguments(file) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { simulator: { type: 'boolean', default: false }, seconds: { type: 'string' } },
  });
  const [name] = positionals;
  const seconds = values.seconds === undefined ? undefined : Number(values.seconds);
  if ((name === undefined && !values.simulator) || (seconds !== undefined && !(seconds > 0))) {
    process.stderr.write(
      [
        `usage: node examples/${file} NAME [--seconds N]          a creator on TikTok, signed for by SIGNER_URL (http://127.0.0.1:3001)`,
        `       node examples/${file} --simulator [--seconds N]   a simulated creator, with a simulator and a signer of its own`,
        '',
      ].join('\n'),
    );
    process.exit(2);
  }
  return { name: name?.replace(/^@/, ''), simulated: values.simulator, seconds };
}
