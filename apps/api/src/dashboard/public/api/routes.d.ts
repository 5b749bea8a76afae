/** What the dashboard asks of the API, by route. A test compiles these beside the API's own description. */
import type {
  Added,
  Attempt,
  Bucket,
  Creator,
  CreatorDetail,
  Delivery,
  DeliveryDetail,
  Endpoint,
  EndpointDetail,
  Leader,
  Page,
  Replay,
  Session,
  SessionDetail,
  Status,
  Timeline,
} from './answers.d.ts';
import type { LiveEvent } from './event-data.d.ts';

interface Listed {
  limit: number;
  cursor?: string;
}

/** Settings of an endpoint; null takes one back to its default. */
export interface EndpointBody {
  url: string;
  description: string;
  types: string[] | null;
  creators: string[] | null;
  ordered: boolean;
  maxInFlight: number | null;
  batch: { maxEvents: number; maxWaitMs?: number } | null;
  rateLimit: number | null;
  timeoutMs: number | null;
}

interface Of<Asked, Answer> {
  asked: Asked;
  answer: Answer;
}

interface OfEndpoint {
  path: { id: string };
}

interface OfDelivery {
  path: { id: string; delivery: string };
}

export interface Routes {
  'GET /v1/creators': Of<{ query: Listed }, Page<Creator>>;
  'GET /v1/creators/{creator}': Of<{ path: { creator: string } }, CreatorDetail>;
  'PATCH /v1/creators/{creator}': Of<{ path: { creator: string }; body: { paused: boolean } }, Creator>;
  'DELETE /v1/creators/{creator}': Of<{ path: { creator: string } }, unknown>;
  'POST /v1/creators/batch': Of<{ body: { creators: string[] } }, Added>;
  'GET /v1/events': Of<
    { query: { type: string[]; limit: number; order?: 'asc' | 'desc'; since?: string; cursor?: string } },
    { data: LiveEvent[]; next: string; more: boolean }
  >;
  'GET /v1/sessions': Of<{ query: { live?: boolean; creator?: string[]; limit: number } }, Page<Session>>;
  'GET /v1/sessions/{roomId}': Of<{ path: { roomId: string } }, SessionDetail>;
  'GET /v1/sessions/{roomId}/timeline': Of<{ path: { roomId: string }; query: { bucket: Bucket } }, Timeline>;
  'GET /v1/sessions/{roomId}/leaderboard': Of<{ path: { roomId: string }; query: { by: 'diamonds'; limit: number } }, Page<Leader>>;
  'GET /v1/status': Of<object, Status>;
  'GET /v1/webhooks': Of<{ query: Listed }, Page<Endpoint>>;
  'POST /v1/webhooks': Of<{ body: EndpointBody; header: { 'Idempotency-Key': string } }, Endpoint & { secret: string }>;
  'GET /v1/webhooks/{id}': Of<OfEndpoint, EndpointDetail>;
  'PATCH /v1/webhooks/{id}': Of<OfEndpoint & { body: EndpointBody }, Endpoint & { secret?: string }>;
  'DELETE /v1/webhooks/{id}': Of<OfEndpoint, unknown>;
  'POST /v1/webhooks/{id}/pause': Of<OfEndpoint, Endpoint>;
  'POST /v1/webhooks/{id}/resume': Of<OfEndpoint & { body: { backlog: 'deliver' | 'skip' } }, Endpoint>;
  'POST /v1/webhooks/{id}/rotate-secret': Of<OfEndpoint & { body: { graceSeconds: number } }, { secret: string; oldUntil: string | null }>;
  'POST /v1/webhooks/{id}/test': Of<OfEndpoint, { delivery: string; attempt: Attempt }>;
  'GET /v1/webhooks/{id}/deliveries': Of<OfEndpoint & { query: Listed & { state?: 'open' | 'dead' | 'delivered' } }, Page<Delivery>>;
  'POST /v1/webhooks/{id}/deliveries/retry': Of<OfEndpoint, { retried: number; more: boolean }>;
  'GET /v1/webhooks/{id}/deliveries/{delivery}': Of<OfDelivery, DeliveryDetail>;
  'GET /v1/webhooks/{id}/deliveries/{delivery}/attempts': Of<OfDelivery, { data: Attempt[] }>;
  'POST /v1/webhooks/{id}/deliveries/{delivery}/retry': Of<OfDelivery, Delivery>;
  'GET /v1/webhooks/{id}/replays': Of<OfEndpoint & { query: { limit: number } }, Page<Replay>>;
  'POST /v1/webhooks/{id}/replay': Of<OfEndpoint & { body: { since: string; rateLimit?: number } }, Replay>;
  'DELETE /v1/webhooks/{id}/replays/{replay}': Of<{ path: { id: string; replay: string } }, unknown>;
}

/** Asks one route of the API. */
export type Call = <R extends keyof Routes>(route: R, asked: Routes[R]['asked']) => Promise<Routes[R]['answer']>;
