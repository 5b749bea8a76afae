import { allowedHosts, type Config, ConfigError, createLogger, loadConfig, tellParent } from '@tributary/runtime';
import { DEMO_CREATORS, type RoomOptions, Simulator } from '@tributary/testing';

/** Messages a second in a moderate room. */
const MODERATE_RATE = 4;
const STOP_MS_MAX = 9_000;

function demoRooms(config: Config): RoomOptions[] {
  return Array.from({ length: config.simulatorRooms }, (_, index) => ({
    ...(DEMO_CREATORS[index] ?? { uniqueId: `creator${String(index + 1).padStart(4, '0')}` }),
    rate: MODERATE_RATE * config.simulatorRate,
  }));
}

async function main(): Promise<void> {
  let config: Config;
  try {
    config = loadConfig('simulator');
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`simulator: ${error.message}\n`);
    process.exit(1);
  }
  // The control API has no keys: every client that reaches it controls the simulator and gets signatures.
  if (config.mode === 'production') {
    process.stderr.write('simulator: NODE_ENV is production, where no simulator runs; it is for development, tests and benchmarks\n');
    process.exit(1);
  }
  const logger = createLogger({ name: 'simulator', level: config.logLevel, format: config.logFormat });
  const hosts = allowedHosts(config);
  const simulator = new Simulator({
    host: config.host,
    port: config.simulatorPort,
    rooms: demoRooms(config),
    key: config.simulatorKey,
    allowsHost: (host) => hosts.allows(host),
  });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      logger.info({ signal }, 'stopping');
      setTimeout(() => process.exit(1), STOP_MS_MAX).unref();
      void simulator.stop().then(() => process.exit(0));
    });
  }
  try {
    await simulator.start();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE')
      logger.error({ port: config.simulatorPort }, 'the port is in use; choose another or stop what listens there');
    else logger.error({ err: error }, 'cannot start');
    process.exitCode = 1;
    return;
  }
  logger.info({ address: simulator.url, rooms: config.simulatorRooms }, 'listening');
  tellParent();
}

await main();
