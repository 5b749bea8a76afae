import { createServer, type AddressInfo } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { checkPorts, contacted, processEnv, readSettings } from './settings.mjs';

const given = {
  redisUrl: 'redis://127.0.0.1:1',
  databaseUrl: 'postgres://127.0.0.1:2/x',
  spoolDir: '/spool',
  keys: { webhooks: 'key', creators: 'key', simulator: 'key' },
};

describe('settings of npm start', () => {
  it('points everything that leaves the machine at the simulator in the demo, whatever the environment says', async () => {
    const env = { TIKTOK_WEB_URL: 'https://www.tiktok.com', SIGN_PROVIDERS: 'remote', SIMULATOR_PORT: '4003' };
    const demo = processEnv(await readSettings([], env), { ...given, env });
    expect(demo).toMatchObject({
      TIKTOK_WEB_URL: 'http://127.0.0.1:4003',
      TIKTOK_WEBCAST_URL: 'http://127.0.0.1:4003',
      SIGN_PROVIDERS: 'simulator',
    });
    expect(demo.TIKTOK_SOCKET_URL).toMatch(/^ws:\/\/127\.0\.0\.1:4003\//);
    expect(contacted(demo)).toEqual(['127.0.0.1:4003']);
  });

  it('names the hosts that real creators lead to', async () => {
    const settings = await readSettings(['@a', '@b'], {});
    expect(settings.apps).not.toContain('simulator');
    const env = processEnv(settings, { ...given, env: {} });
    expect(contacted(env)).toEqual(['www.tiktok.com', 'webcast.tiktok.com', 'webcast-ws.tiktok.com', 'api.eulerstream.com']);
    expect(contacted(processEnv(settings, { ...given, env: { SIGN_PROVIDERS: 'anonymous' } }))).not.toContain('api.eulerstream.com');
  });

  it('starts no simulator in production', async () => {
    const env = { NODE_ENV: 'production' };
    const settings = await readSettings([], env);
    expect(settings).toMatchObject({ simulated: false, apps: ['signer', 'ingest', 'api'] });
    const given_env = processEnv(settings, { ...given, env });
    expect([given_env.SIGN_PROVIDERS, given_env.TIKTOK_WEB_URL, given_env.WEBHOOK_ALLOW_CIDRS]).toEqual([
      'anonymous,remote',
      undefined,
      '',
    ]);
  });

  it('refuses bad ports, equal ports and a port in use, naming the variable', async () => {
    await expect(readSettings([], { API_PORT: '70000' })).rejects.toThrow(/API_PORT: .*"70000"/);
    await expect(checkPorts(await readSettings([], { API_PORT: '4999', SIGNER_PORT: '4999' }))).rejects.toThrow(
      /API_PORT.*SIGNER_PORT|SIGNER_PORT.*API_PORT/,
    );
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    const free = { API_PORT: '0', SIMULATOR_PORT: '0', SIGNER_PORT: '0' };
    await expect(checkPorts(await readSettings([], { ...free, INGEST_PORT: String(port) }))).rejects.toThrow(
      `port ${port} (INGEST_PORT) is in use`,
    );
    taken.close();
  });

  it('takes no unknown option for a name', async () => {
    await expect(readSettings(['--fast'], {})).rejects.toThrow(/unknown option --fast/);
  });
});
