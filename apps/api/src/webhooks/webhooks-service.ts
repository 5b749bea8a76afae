import type { SsrfGuard } from '@tributary/outbound';
import type { KeyRecord, Problem as ProblemType, SharedBuckets } from '@tributary/runtime';
import { allows, Problem } from '@tributary/runtime';
import { allowedCreatorsOf, isWithin } from '../access/allowed-creators.js';
import { creatorIdsOf } from '../creators/named-creators.js';
import type { CreatorLookup } from '../filter/field.js';
import { readFilter } from '../filter/filter-parameters.js';
import { type AttemptRecord, readAttempt, AttemptSender } from '../delivery/request/attempt.js';
import { askConsent } from './endpoints/challenge.js';
import type { DeliveryStore } from './deliveries/delivery-store.js';
import { DeliveryIds } from '../delivery/pipeline/delivery.js';
import type { Endpoint, EndpointSettings, Owner } from '../delivery/endpoint/endpoint.js';
import type { EndpointPatchBody, NewEndpointBody } from './endpoints/endpoint-body.js';
import type { Created, EndpointStore } from './endpoints/endpoint-store.js';
import type { GuardedHttp } from '../outbound/guarded-http.js';
import { readTarget, type Target } from '../outbound/target.js';
import { newSecretPair, readSharedSecret, type SecretPair } from '../delivery/request/signature.js';

export interface WebhooksServiceOptions {
  endpoints: EndpointStore;
  deliveries: DeliveryStore;
  http: GuardedHttp;
  guard: SsrfGuard;
  /** Internal ids of creators named by id or handle; with `allowedCreators`, all others are unknown. */
  resolveCreators: (
    refs: readonly string[],
    allowedCreators: readonly string[] | undefined,
  ) => Promise<{ ids: string[]; unknown: string[] }>;
  /** The record of the key with this id, where it is in force. */
  findKey(id: string): KeyRecord | undefined;
  /** Tells whoever runs the endpoint that it has changed. */
  notifyChanged(id: string): void;
  /** Limits that all processes share. */
  buckets: SharedBuckets;
  /** Name in the ownership challenge. */
  origin: string;
}

const DEFAULTS: Omit<EndpointSettings, 'url'> = {
  description: '',
  metadata: {},
  filter: {},
  ordered: false,
  maxInFlight: 10,
  timeoutMs: 15_000,
  signatures: ['v1'],
  headers: {},
};
const BATCH_WAIT_MS = 1_000;
/** Old secrets that sign beside the newest: each makes the signature longer. */
const SECRETS_MAX = 5;
/** A test of an endpoint each 2 s, over all processes. */
const TESTS = { limit: 1, periodMs: 2_000 };

/** What owners do with endpoints, beyond reading and writing rows. */
export class WebhooksService {
  private readonly ids = new DeliveryIds();

  constructor(private readonly options: WebhooksServiceOptions) {}

  /** @throws Problem naming the field that is wrong. */
  async create(
    caller: KeyRecord,
    body: NewEndpointBody,
    position: number | undefined,
    idempotencyKey: string | undefined,
  ): Promise<Created> {
    const settings = await this.settings({ ...DEFAULTS, url: body.url }, body, allowedCreatorsOf(caller));
    await this.checkUrl(settings, body.challenge ?? false);
    const created = await this.options.endpoints.create(caller.id, ownerOf(caller), settings, {
      ...(position === undefined ? {} : { position }),
      ...(body.secret === undefined ? {} : { sharedSecret: readSharedSecret(body.secret)! }),
      ...(idempotencyKey === undefined ? {} : { idempotency: { key: idempotencyKey, request: JSON.stringify(body) } }),
    });
    if (created.kind === 'created') this.options.notifyChanged(created.endpoint.id);
    return created;
  }

  /**
   * Changes settings. Undefined when there is no such endpoint. `renewed`: its secrets are new.
   * @throws Problem naming the field that is wrong.
   */
  async update(id: string, body: EndpointPatchBody, caller: KeyRecord): Promise<{ endpoint: Endpoint; renewed: boolean } | undefined> {
    const before = await this.options.endpoints.find(id);
    if (!before) return undefined;
    const wanted = await this.settings(before, body, before.owner.allowedCreators);
    const keyId = body.owner === undefined ? before.owner.keyId : this.newOwner(body.owner, before.owner, caller);
    if (body.url !== undefined || body.challenge) await this.checkUrl(wanted, body.challenge ?? false);
    let renewed = false;
    const endpoint = await this.options.endpoints.change(id, (current) => {
      renewed = originOf(current.url) !== originOf(wanted.url);
      // What was meant for one receiver is not for another, whoever says so.
      return renewed
        ? { keyId, settings: { ...wanted, headers: body.headers ?? {} }, secrets: [newSecretPair()] }
        : { keyId, settings: wanted };
    });
    if (!endpoint) return undefined;
    this.options.notifyChanged(id);
    return { endpoint, renewed };
  }

  /** @throws Problem unless the caller may give an endpoint away, and the key may have it */
  private newOwner(wanted: string | null, { keyId, allowedCreators }: Owner, caller: KeyRecord): string | null {
    if (!allows(caller, 'admin'))
      throw new Problem('missing-scope', 'owner: only a key with the scope admin gives an endpoint away', {
        neededScope: 'admin',
        scopes: caller.scopes,
      });
    if (wanted === null || wanted === keyId) return wanted;
    const key = this.options.findKey(wanted);
    if (!key || !allows(key, 'webhooks:write') || !allows(key, 'read'))
      throw Problem.badField('owner', 'the id of a key in force with the scopes webhooks:write and read, or null');
    // What was delivered is seen by the owner.
    if (!isWithin(allowedCreators, allowedCreatorsOf(key)))
      throw Problem.badField('owner', 'a key that is limited to no fewer creators than its owner');
    return ownerOf(key);
  }

  /** A new secret; the old one signs too for `graceSeconds`. */
  async rotate(
    id: string,
    graceSeconds: number,
    secret: string | undefined,
  ): Promise<{ endpoint: Endpoint; oldUntil: Date | null } | undefined> {
    const now = Date.now();
    const until = now + graceSeconds * 1_000;
    const endpoint = await this.options.endpoints.change(id, ({ secrets }) => ({
      secrets: [newSecretPair(secret === undefined ? undefined : readSharedSecret(secret)), ...outgoing(secrets, until, now)].slice(
        0,
        SECRETS_MAX,
      ),
    }));
    if (!endpoint) return undefined;
    this.options.notifyChanged(id);
    return { endpoint, oldUntil: graceSeconds > 0 ? new Date(until) : null };
  }

  /** Sends a test event at once, whatever the state of the endpoint; one attempt, kept like others. */
  async test(id: string): Promise<{ delivery: string; attempt: AttemptRecord } | undefined> {
    const endpoint = await this.options.endpoints.find(id);
    if (!endpoint) return undefined;
    await this.admitTest(id);
    const delivery = this.ids.next();
    const event = {
      specversion: '1.0',
      id: `test-${delivery}`,
      source: `/tributary/webhooks/${id}`,
      type: 'tributary.test',
      subject: id,
      time: new Date().toISOString(),
      datacontenttype: 'application/json',
      data: { message: 'This is a test of your webhook endpoint.' },
    };
    const json = JSON.stringify(event);
    const { outcome, record } = await new AttemptSender(endpoint, this.options.http).send({
      id: delivery,
      entries: [{ json, bytes: Buffer.from(json) }],
    });
    const text = record.own + record.same;
    await this.options.deliveries.recordTest(id, delivery, text, outcome.category === undefined);
    return { delivery, attempt: readAttempt(delivery, text) };
  }

  private async settings(
    base: EndpointSettings,
    body: Partial<NewEndpointBody>,
    allowedCreators: readonly string[] | undefined,
  ): Promise<EndpointSettings> {
    const { batch } = body;
    /** Absent keeps, null takes back to the default, and everything else is taken over. */
    const pick = <T>(given: T | null | undefined, kept: T, fallback: T): T => (given === undefined ? kept : (given ?? fallback));
    return {
      url: body.url ?? base.url,
      description: pick(body.description, base.description, DEFAULTS.description),
      metadata: pick(body.metadata, base.metadata, DEFAULTS.metadata),
      filter: await readFilter('setting', body, this.lookupOf(allowedCreators), base.filter),
      ordered: pick(body.ordered, base.ordered, DEFAULTS.ordered),
      maxInFlight: pick(body.maxInFlight, base.maxInFlight, DEFAULTS.maxInFlight),
      batch:
        batch === undefined
          ? base.batch
          : batch === null
            ? undefined
            : { maxEvents: batch.maxEvents, maxWaitMs: batch.maxWaitMs ?? BATCH_WAIT_MS },
      ratePerSecond: pick<number | undefined>(body.rateLimit, base.ratePerSecond, undefined),
      timeoutMs: pick(body.timeoutMs, base.timeoutMs, DEFAULTS.timeoutMs),
      signatures: pick(body.signatures, base.signatures, DEFAULTS.signatures),
      headers: pick(body.headers, base.headers, DEFAULTS.headers),
    };
  }

  private lookupOf(allowedCreators: readonly string[] | undefined): CreatorLookup {
    const registry = { resolve: this.options.resolveCreators };
    return { creatorIds: (refs, field) => creatorIdsOf(registry, refs, { field, allowedCreators }) };
  }

  /** Refuses an address that no attempt could reach, and asks the receiver where that is wanted. */
  private async checkUrl(settings: EndpointSettings, challenge: boolean): Promise<void> {
    const target = readTarget(settings.url) as Target;
    const verdict = await this.options.guard.check(target);
    if (verdict.kind === 'closed' && verdict.category === 'blocked_address') {
      throw Problem.badField('url', 'a host on the public internet, or in a network that the operator has opened (WEBHOOK_ALLOW_CIDRS)');
    }
    if (!challenge) return;
    const consent = await askConsent(this.options.http, target, this.options.origin, settings.ratePerSecond);
    if (consent.kind === 'refused') throw refusedConsent(consent.reason);
    const { ratePerSecond } = consent;
    if (ratePerSecond !== undefined) settings.ratePerSecond = Math.min(settings.ratePerSecond ?? Infinity, ratePerSecond);
  }

  private async admitTest(id: string): Promise<void> {
    const { allowed, retryMs } = await this.options.buckets.take(`webhook-test-${id}`, TESTS);
    if (allowed) return;
    throw new Problem('rate-limited', 'one test of an endpoint every 2 s', {
      headers: { 'retry-after': String(Math.max(1, Math.ceil(retryMs / 1_000))) },
    });
  }
}

/** Whose the endpoints are that a key makes: what administrators make outlives their keys. */
function ownerOf(key: KeyRecord): string | null {
  return allows(key, 'admin') ? null : key.id;
}

function originOf(url: string): string {
  return new URL(url).origin;
}

function refusedConsent(reason: string): ProblemType {
  return new Problem('unprocessable', `url: the receiver did not give its consent: ${reason}`, {
    errors: [{ field: 'url', expected: 'a receiver that answers OPTIONS with WebHook-Allowed-Origin' }],
  });
}

/** The secrets that go on signing: those still in their grace, the newest of them until `until`. */
function outgoing(secrets: readonly SecretPair[], until: number, now: number): SecretPair[] {
  return secrets.map((pair) => ({ ...pair, until: Math.min(pair.until ?? Infinity, until) })).filter((pair) => pair.until > now);
}
