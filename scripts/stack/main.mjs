import { relative } from 'node:path';
import { bootstrap } from '../bootstrap.mjs';
import { guard } from '../servers/guard.mjs';
import { dataDir } from '../servers/project.mjs';
import { paint, printFailure, seconds } from '../terminal.mjs';
import { arrangeCreators, firstEvent, simulatedNames } from './creators.mjs';
import { closeFolder, openFolder, paths } from './folder.mjs';
import { checkPorts, contacted, readSettings, Usage } from './settings.mjs';
import { say, Stack } from './stack.mjs';

/** npm passes Ctrl-C on that the terminal has sent to everyone already: a second signal counts only after this. */
const SECOND_SIGNAL_MS_MIN = 800;

/**
 * `npm start`: brings the whole system up, keeps it up, and takes it down at Ctrl-C.
 * @param {string[]} args names of creators on TikTok; none for simulated ones
 */
export async function main(args) {
  const stopping = new AbortController();
  /** @type {Stack | undefined} */
  let stack;
  let opened = false;
  let firstSignalAt = 0;
  /** @type {(() => void) | undefined} */
  let wake;
  const asked = new Promise((resolve) => (wake = () => resolve(undefined)));
  process.stdout.on('error', () => {}); // the terminal may go before we do

  const onSignal = () => {
    if (firstSignalAt === 0) {
      firstSignalAt = Date.now();
      say('Stopping (Ctrl-C again to force it)');
      stopping.abort();
      wake?.();
    } else if (Date.now() - firstSignalAt > SECOND_SIGNAL_MS_MIN) {
      say('Forced: everything is killed');
      void (stack?.kill() ?? Promise.resolve()).finally(() => {
        if (opened) closeFolder();
        void guard.dismiss().then(() => process.exit(1));
      });
    }
  };
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) process.on(signal, onSignal);

  let code = 0;
  try {
    const settings = await readSettings(args, process.env);
    await openFolder(settings.address('api'), say);
    opened = true;
    await checkPorts(settings);
    await bootstrap(say, { signal: stopping.signal });
    stopping.signal.throwIfAborted();
    stack = new Stack(settings, { say, signal: stopping.signal });
    await run(stack, stopping.signal);
    await asked;
  } catch (error) {
    if (error instanceof Usage) process.stdout.write(error.message);
    else if (!stopping.signal.aborted) code = printFailure(error);
  }
  const began = Date.now();
  stopping.abort();
  try {
    await stack?.stop();
    if (opened) closeFolder();
    await guard.dismiss();
    if (firstSignalAt > 0)
      say(`Stopped in ${seconds(Date.now() - began)}; the data stays in ${relative(process.cwd(), dataDir) || dataDir}`);
  } catch (error) {
    code = printFailure(error);
  }
  process.exit(code);
}

/**
 * @param {Stack} stack
 * @param {AbortSignal} signal
 */
async function run(stack, signal) {
  const { settings } = stack;
  const real = !settings.simulated;
  const began = Date.now();
  await stack.startServers();
  const client = await stack.prepare();
  if (real && settings.handles.length === 0) say('NODE_ENV is production: no simulator runs; add creators by the dashboard or the API');
  if (real) say(`Real creators: this machine will contact ${contacted(stack.env).join(', ')}`);
  await Promise.all(settings.apps.filter((app) => app !== 'ingest').map((app) => stack.startApp(app)));
  await stack.renewKey(client);
  const names = real ? settings.handles : await simulatedNames(settings.address('simulator'));
  // Before a worker runs: it must not meet creators of the other kind.
  await arrangeCreators(client, real ? 'real' : 'simulated', names, say);
  const first = firstEvent(client, signal);
  await stack.startApp('ingest');
  signal.throwIfAborted();
  printBanner(stack, client.key, names.length);
  if (real) say(`Each is looked up every ${seconds(Number(stack.env.POLL_MS || 60_000))}; events flow as soon as one is live`);
  void first.then((event) => {
    if (!event) return;
    const sinceCommand = event.at - performance.timeOrigin;
    say(
      `First event: ${event.type} of @${event.creator}, ${seconds(sinceCommand)} after the command (${seconds(event.at - began)} of it after packages and build)`,
    );
  });
}

/**
 * @param {Stack} stack
 * @param {string} key
 * @param {number} creators
 */
function printBanner({ settings, servers, env }, key, creators) {
  const api = settings.address('api');
  const file = relative(process.cwd(), paths.apiKey);
  const kind = settings.simulated ? 'simulated' : 'on TikTok';
  const show = (/** @type {string} */ path) => (path.startsWith(dataDir) ? relative(process.cwd(), path) : path);
  const rows = [
    // A redirected output is a file that others may read: there the key stays in its own.
    ['Dashboard', process.stdout.isTTY ? paint('bold', `${api}/#key=${key}`) : `${api}/ (it asks for the key)`],
    ['API', `${api}/v1`],
    ['API docs', `${api}/docs`],
    ['Key', `${file} (a start keeps it)`],
    ...servers.map((server) => [server.name, `127.0.0.1:${server.port}, data in ${show(server.dir)}`]),
    ['Live events', `curl -N -H "Authorization: Bearer $(cat ${file})" ${api}/v1/stream`],
    [
      'Webhooks',
      env.WEBHOOK_ALLOW_CIDRS ? `may go to ${env.WEBHOOK_ALLOW_CIDRS} too (its own ports aside)` : 'go to public addresses only',
    ],
    ['Stop', 'Ctrl-C; the data stays'],
  ];
  const lines = rows.map(([name, value]) => `  ${paint('dim', name.padEnd(12))} ${value}`);
  process.stdout.write(`\n  ${paint('green', 'Tributary runs')}: ${creators} creators, ${kind}\n\n${lines.join('\n')}\n\n`);
}
