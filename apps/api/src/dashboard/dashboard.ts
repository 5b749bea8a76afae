import { readdirSync, readFileSync } from 'node:fs';
import { extname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { serveFile } from './page-files.js';

const FOLDER = fileURLToPath(new URL('./public/', import.meta.url));
const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** A file of the dashboard: its path in public/, such as `feed/feed.js`, and where it is served, such as `/feed/feed.js`. */
export interface DashboardFile {
  name: string;
  path: string;
  type: string;
}

/** Every file of public/ and its folders that a browser can use; types and settings of the compiler are not served. */
export function dashboardFiles(): DashboardFile[] {
  return readdirSync(FOLDER, { recursive: true, withFileTypes: true }).flatMap((entry) => {
    const type = entry.isFile() ? TYPES[extname(entry.name)] : undefined;
    if (type === undefined) return [];
    const name = relative(FOLDER, join(entry.parentPath, entry.name)).split(sep).join('/');
    return [{ name, path: name === 'index.html' ? '/' : `/${name}`, type }];
  });
}

/** Serves the dashboard at `/`: its files, read once. Without a key it shows nothing but a form. */
export function serveDashboard(app: NestFastifyApplication): void {
  for (const { name, path, type } of dashboardFiles()) serveFile(app, path, type, readFileSync(join(FOLDER, name)));
}
