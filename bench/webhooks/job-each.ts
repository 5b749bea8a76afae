import { Queue, Worker } from 'bullmq';

/** Baseline (b): one BullMQ job and one fetch per event, as webhook senders are commonly built. Only the processing is timed. */
const [url = '', redisUrl = '', concurrency = '', seconds = '', body = ''] = process.argv.slice(2);
const { hostname, port } = new URL(redisUrl);
const connection = { host: hostname, port: Number(port), maxRetriesPerRequest: null };
const queue = new Queue('bench', { connection });
const JOBS_PER_SECOND_EXPECTED = 6_000;

const jobs = Number(seconds) * JOBS_PER_SECOND_EXPECTED;
for (let at = 0; at < jobs; at += 1_000) {
  await queue.addBulk(
    Array.from({ length: 1_000 }, () => ({ name: 'event', data: { body }, opts: { removeOnComplete: true, attempts: 10 } })),
  );
}
let sent = 0;
const began = performance.now();
const worker = new Worker<{ body: string }>(
  'bench',
  async ({ data }) => {
    const answer = await fetch(url, { method: 'POST', body: data.body, headers: { 'content-type': 'application/cloudevents+json' } });
    await answer.arrayBuffer();
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    sent += 1;
  },
  { connection, concurrency: Number(concurrency) },
);
await new Promise<void>((resolve) => {
  const timer = setInterval(() => {
    if (performance.now() - began < Number(seconds) * 1_000 && sent < jobs) return;
    clearInterval(timer);
    resolve();
  }, 20);
});
const took = (performance.now() - began) / 1_000;
process.stdout.write(`${JSON.stringify({ sent, seconds: took })}\n`);
await worker.close(true);
await queue.close();
