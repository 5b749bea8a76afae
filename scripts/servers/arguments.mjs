import { parseArgs } from 'node:util';
import { CliError } from './cli-error.mjs';

/**
 * Node's `parseArgs`, whose errors are one sentence each.
 * @template {import('node:util').ParseArgsConfig} T
 * @param {T} config
 * @returns {ReturnType<typeof parseArgs<T>>}
 * @throws CliError that names the option or argument, and what is wrong with it
 */
export function readArguments(config) {
  try {
    const parsed = parseArgs(config);
    const [empty] = Object.entries(parsed.values).find(([, value]) => value === '') ?? [];
    if (empty !== undefined) throw new CliError(`--${empty} needs a value`);
    return parsed;
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(sentence(/** @type {NodeJS.ErrnoException} */ (error)));
  }
}

/** @param {NodeJS.ErrnoException} error */
function sentence({ code, message }) {
  const quoted = /'([^']*)'/.exec(message)?.[1] ?? '';
  // Node quotes an option as `-s, --long <value>`.
  const option = /--?[\w-]+(?=[ <]|$)/.exec(quoted.split(', ').at(-1) ?? '')?.[0] ?? quoted;
  switch (code) {
    case 'ERR_PARSE_ARGS_UNKNOWN_OPTION':
      return `there is no option ${quoted}`;
    case 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE':
      return message.includes('does not take an argument') ? `${option} takes no value` : `${option} needs a value`;
    case 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL':
      return `there is no argument "${quoted}"`;
    default:
      return message.split('\n')[0] ?? '';
  }
}
