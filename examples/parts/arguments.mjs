import { readArguments as parse } from '../../scripts/servers/arguments.mjs';

/**
 * `NAME` for a real creator by way of a running signer, `--simulator` for a simulated one with servers of its own.
 * @param {string} file name of the example, for its usage
 */
export function readArguments(file) {
  const usage = [
    `node examples/${file} NAME [--seconds N]          a creator on TikTok, signed for by SIGNER_URL (http://127.0.0.1:3001)`,
    `node examples/${file} --simulator [--seconds N]   a simulated creator, with a simulator and a signer of its own`,
    '',
  ].join('\n');
  try {
    const { values, positionals } = parse({
      allowPositionals: true,
      options: {
        simulator: { type: 'boolean', default: false },
        seconds: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    if (values.help) {
      process.stdout.write(usage);
      process.exit(0);
    }
    const [name] = positionals;
    const seconds = values.seconds === undefined ? undefined : Number(values.seconds);
    if (name === undefined && !values.simulator) throw new Error('it needs the NAME of a creator, or --simulator');
    if (seconds !== undefined && !(seconds > 0)) throw new Error('--seconds: expected a number above 0');
    return { name: name?.replace(/^@/, ''), simulated: values.simulator, seconds };
  } catch (error) {
    process.stderr.write(`${file}: ${error instanceof Error ? error.message : String(error)}; --help tells how it is called\n`);
    process.exit(1);
  }
}
