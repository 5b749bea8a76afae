import type { Pool, PoolClient } from 'pg';

export interface Statement {
  text: string;
  values: unknown[];
}

/** What a statement costs as PostgreSQL tells it after running it. */
export interface Plan {
  text: string;
  /** Partitions of the log, and tables of deliveries, read from end to end. */
  seqScans: string[];
  /** The most rows that went into one sort. */
  sorted: number;
  /** Pages of 8 KiB that were looked at. */
  pages: number;
  rows: number;
}

interface Node {
  'Node Type': string;
  'Relation Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  'Shared Hit Blocks': number;
  'Shared Read Blocks': number;
  Plans?: Node[];
}

/** A pool that writes down every statement that is sent through it or one of its connections. */
export function recordStatements(pool: Pool): { pool: Pool; statements: Statement[] } {
  const statements: Statement[] = [];
  const note = (args: unknown[]) => {
    const [what, values] = args;
    if (typeof what === 'string') statements.push({ text: what, values: Array.isArray(values) ? (values as unknown[]) : [] });
    else statements.push(what as Statement);
  };
  const recording = <T extends Pool | PoolClient>(target: T): T =>
    new Proxy(target, {
      get(object, name) {
        const value: unknown = Reflect.get(object, name, object);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]): unknown => {
          if (name === 'query') note(args);
          const result: unknown = Reflect.apply(value, object, args);
          return name === 'connect' ? (result as Promise<PoolClient>).then((client) => recording(client)) : result;
        };
      },
    });
  return { pool: recording(pool), statements };
}

/** Runs a statement and reads its plan. */
export async function planOf(pool: Pool, { text, values }: Statement): Promise<Plan> {
  const { rows } = await pool.query<{ 'QUERY PLAN': [{ Plan: Node }] }>(
    `explain (analyze, buffers, timing off, format json) ${text}`,
    values,
  );
  const root = rows[0]?.['QUERY PLAN'][0].Plan;
  if (!root) throw new Error(`no plan for ${text}`);
  const nodes: Node[] = [];
  const walk = (node: Node) => {
    nodes.push(node);
    node.Plans?.forEach(walk);
  };
  walk(root);
  const sorts = nodes.filter((node) => node['Node Type'].endsWith('Sort'));
  const seen = (node: Node) => (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops'];
  return {
    text,
    seqScans: nodes.flatMap((node) =>
      node['Node Type'] === 'Seq Scan' && /^(events_|webhook_deliveries)/.test(node['Relation Name'] ?? '') && seen(node) > 0
        ? [node['Relation Name'] ?? '']
        : [],
    ),
    sorted: Math.max(0, ...sorts.flatMap((sort) => (sort.Plans ?? []).map((input) => input['Actual Rows'] * input['Actual Loops']))),
    pages: root['Shared Hit Blocks'] + root['Shared Read Blocks'],
    rows: root['Actual Rows'],
  };
}
