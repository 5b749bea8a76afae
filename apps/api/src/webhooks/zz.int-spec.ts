import { it, expect } from '@jest/globals';
import { startWebhookReceiver, waitFor } from '@tributary/testing';
import { setTimeout as delay } from 'node:timers/promises';
import { WebhookHouse, quickPolicy } from './testing.js';
import { RETRY_POLICY } from './retry.js';
import { EndpointStore } from './endpoint-store.js';
import { SecretBox } from './secret-box.js';
it('x', async () => {
  const house = await WebhookHouse.start(); const receiver = await startWebhookReceiver();
  receiver.answer(() => ({ status: 410 }));
  const { id } = await house.endpoint({ url: receiver.url('/x'), ordered: true });
  const r = await house.runners({policy: RETRY_POLICY}); await house.claimAll(r);
  await house.events(3);
  await waitFor(async () => r.count === 0, {what:'drop'});
  receiver.answer(() => undefined);
  const es = new EndpointStore(house.pool, new SecretBox(Buffer.alloc(32, 7).toString('base64')), 10);
  const er = new (await import('./entry.js')).EntryReader(house.pool);
  const ds=(await house.pool.query('select id from webhook_deliveries')).rows; const us=(await house.pool.query('select id, seq::float8 as seq from webhook_unattempted')).rows;
  console.log(JSON.stringify([...(await er.ofDeliveries([...ds.map((d:any)=>({endpointId:id,id:d.id})),...us.map((u:any)=>({endpointId:id,id:u.id,seqs:[u.seq]}))]))].map(([k,v])=>[k,v.length])));
  await es.resume(id, false);
  await r.wake(id);
  console.log(r.count, (await house.pool.query('select * from webhook_deliveries')).rows.map((x: any)=>[x.state,x.attempt,x.next_attempt_at, x.seqs]), (await house.pool.query('select * from webhook_unattempted')).rows, new Date());
  await delay(1500);
  for (const x of r.runners) { const s=(x as any).sources.live; console.log(JSON.stringify({items:s.lane.items, busy:s.lane.busy, frozen:(x as any).frozen, rest:(x as any).restUntil, onWire: x.sending, window: (x as any).window, timer: !!(x as any).timer}, (k,v)=>k==='entries'?undefined:v)); }
  console.log(receiver.hooks.length);
  await house.stop(); await receiver.close();
}, 30000);
