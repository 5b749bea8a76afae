import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Metrics } from '@tributary/runtime';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Histogram } from 'prom-client';

/** Counts and times every request by route (never by path, which has no bound), method and status. */
export function measureRequests(app: NestFastifyApplication): void {
  const seconds = new Histogram({
    name: 'tributary_http_request_seconds',
    help: 'Time to answer a request',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.002, 0.005, 0.02, 0.05, 0.2, 0.5, 2, 10],
    registers: [app.get(Metrics)],
  });
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('onResponse', (request: FastifyRequest, reply: FastifyReply, done: () => void) => {
      const route = request.routeOptions.url ?? 'none';
      seconds.observe({ method: request.method, route, status: reply.statusCode }, reply.elapsedTime / 1000);
      done();
    });
}
