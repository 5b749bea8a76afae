import { type Envelope, type StoredEvent, toEnvelope } from '@tributary/events';
import { encodeCursor } from '@tributary/log';
import { generationAt, type GenerationStart } from '../store/writer/generations.js';

/** The position of an event, read in the generation `read`: the same for as long as the log has it. */
export function positionOf(seq: number, history: readonly GenerationStart[], read?: number): string {
  return encodeCursor({ generation: generationAt(history, seq, read), seq });
}

/** A stored event as consumers see it. */
export function envelopeOf(event: StoredEvent, history: readonly GenerationStart[], read?: number): Envelope {
  return toEnvelope(event, positionOf(event.seq, history, read));
}
