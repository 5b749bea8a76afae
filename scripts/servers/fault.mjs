/** An expected failure: its message is one clear sentence for the person at the terminal, and no stack is shown. */
export class Fault extends Error {
  /** @override */
  name = 'Fault';
}

/** A server could not start because its port belongs to another program. */
export class PortTaken extends Fault {}
