import { fastify } from 'fastify';

/** The baseline: a Fastify route that returns the bytes and headers of one answer of the signer, fetched once at its start. */
const { PORT = '0', FROM = '' } = process.env;
const answer = await fetch(FROM);
const body = Buffer.from(await answer.arrayBuffer());
const kept = [...answer.headers].filter(
  ([name]) => !['connection', 'keep-alive', 'date', 'content-length', 'transfer-encoding'].includes(name),
);
const headers = Object.fromEntries(kept);

const server = fastify();
server.get('/webcast/rooms/:room_id/connect', (_request, reply) => {
  void reply.headers(headers).send(body);
});
server.get('/healthz', (_request, reply) => void reply.send({ status: 'ok' }));
await server.listen({ port: Number(PORT), host: '127.0.0.1' });
process.once('SIGTERM', () => process.exit(0));
