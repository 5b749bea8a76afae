/** An expected failure: its message is one clear sentence for the person at the terminal, and no stack is shown. */
export class CliError extends Error {
  /** @override */
  name = 'CliError';
}

/** A server could not start because its port belongs to another program. */
export class PortTaken extends CliError {}
