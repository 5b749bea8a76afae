import { type ChildProcess, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { transformSync } from '@swc/core';
import type { ProducerStats } from '../producer/inbox-producer.js';
import type { ChildCommand, ChildSetup } from './child.js';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
/** What the child program runs, beside the folders of the producer and its spool. */
const FILES = [
  ...['log-keys', 'testing/child', 'testing/drafts'].map((name) => `libs/log/src/${name}.ts`),
  ...['producer', 'spool'].flatMap((folder) => sourcesIn(`libs/log/src/${folder}`)),
  ...['backoff', 'lua-script', 'reason'].map((name) => `libs/runtime/src/${name}.ts`),
];

function sourcesIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder))
    .filter((name) => /^[\w-]+\.ts$/.test(name))
    .map((name) => `${folder}/${name}`);
}

/** Compiles the producer and its child program into `folder`; returns the program's path. */
export function compileChild(folder: string): string {
  for (const file of FILES) {
    const { code } = transformSync(readFileSync(join(ROOT, file), 'utf8'), {
      filename: file,
      swcrc: false,
      jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
      module: { type: 'es6' },
    });
    const target = join(folder, file.replace(/\.ts$/, '.js'));
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(
      target,
      code
        .replaceAll('@tributary/runtime/', `${folder}/libs/runtime/src/`)
        .replace(/(src\/(?:backoff|lua-script|reason))(?=['"])/g, '$1.js'),
    );
  }
  copyFileSync(join(ROOT, 'libs/log/src/producer/append.lua'), join(folder, 'libs/log/src/producer/append.lua'));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  return join(folder, 'libs/log/src/testing/child.js');
}

/** A producer in a process of its own, which can be killed. */
export class ProducerProcess {
  private readonly child: ChildProcess;
  private readonly lines: AsyncIterator<string>;
  private readonly ended: Promise<void>;

  constructor(program: string, setup: ChildSetup) {
    this.child = spawn(process.execPath, [program, JSON.stringify(setup)], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.lines = createInterface({ input: this.child.stdout! })[Symbol.asyncIterator]();
    this.ended = new Promise((resolve) => this.child.once('exit', () => resolve()));
  }

  /** Resolves when it runs. */
  async ready(): Promise<void> {
    await this.lines.next();
  }

  async ask(command: ChildCommand): Promise<ProducerStats> {
    this.child.stdin!.write(`${JSON.stringify(command)}\n`);
    const { value } = await this.lines.next();
    return JSON.parse(String(value)) as ProducerStats;
  }

  /** Freezes it (SIGSTOP), or lets it continue. */
  freeze(): void {
    this.child.kill('SIGSTOP');
  }

  thaw(): void {
    this.child.kill('SIGCONT');
  }

  async kill9(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.ended;
  }

  async exited(): Promise<void> {
    await this.ended;
  }
}
