import { HttpSigner } from '@tributary/signing';
import { Hosts } from '../tiktok/hosts.js';
import { Upstream } from '../tiktok/upstream.js';
import { Visitors } from '../tiktok/visitor.js';
import { memoryCache } from '../testing/memory-cache.js';
import type { ScriptedUpstream } from '../testing/scripted-upstream.js';
import { AnonymousProvider } from './anonymous.js';
import { providerConformance } from './conformance.js';
import { RemoteProvider } from './remote.js';
import { SimulatorProvider } from './simulator.js';

const http = ({ url }: ScriptedUpstream) => new Upstream(new Hosts([url]), { bodyBytesMax: 1_000_000, connectionsMax: 16 });
const visitors = ({ url }: ScriptedUpstream, upstream: Upstream) =>
  new Visitors({ name: 'test', upstream, webUrl: url, cache: memoryCache(), keepMs: 0 });
const statuses = {
  'http-402': 'http-402',
  'http-403': 'http-403',
  'http-429': 'http-429',
  'http-500': 'http-5xx',
  crash: 'connect',
} as const;

providerConformance('simulator', {
  make: (scripted) => {
    const upstream = http(scripted);
    return new SimulatorProvider({ upstream, visitors: visitors(scripted, upstream), webcastUrl: scripted.url });
  },
  faultPath: /im\/fetch/,
  faults: { ...statuses, 'empty-body': 'empty-body', 'empty-cursor': 'empty-cursor', garbage: 'bad-answer' },
});

providerConformance('anonymous', {
  make: (scripted) =>
    new AnonymousProvider({ visitors: visitors(scripted, http(scripted)), socketUrl: 'wss://webcast-ws.tiktok.com/ws_reuse/?aid=1988' }),
  faultPath: /^\/$/,
  faults: { ...statuses, 'missing-cookie': 'missing-cookie', garbage: 'missing-cookie' },
});

providerConformance('remote', {
  make: (scripted) => new RemoteProvider({ signer: new HttpSigner({ url: scripted.url, apiKey: 'secret-key' }), passSessions: false }),
  faultPath: /connect/,
  faults: {
    ...statuses,
    'empty-body': 'empty-body',
    'empty-cursor': 'empty-cursor',
    'missing-cookie': 'missing-cookie',
    garbage: 'bad-answer',
  },
});
