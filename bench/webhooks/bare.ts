import { Agent, request } from 'undici';

/** Baseline (a): the same bodies, as fast as undici sends them; nothing is kept, signed, checked or tried again. */
const [url = '', concurrency = '', seconds = '', body = ''] = process.argv.slice(2);
const dispatcher = new Agent();
const end = Date.now() + Number(seconds) * 1_000;
let sent = 0;

async function loop(): Promise<void> {
  while (Date.now() < end) {
    const answer = await request(url, { method: 'POST', body, dispatcher, headers: { 'content-type': 'application/cloudevents+json' } });
    await answer.body.dump();
    sent += 1;
  }
}

await Promise.all(Array.from({ length: Number(concurrency) }, loop));
process.stdout.write(`${JSON.stringify({ sent })}\n`);
await dispatcher.close();
