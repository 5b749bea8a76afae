import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import openapiTypescript, { astToString } from 'openapi-typescript';
import type TypeScript from 'typescript';
import type { ApiDocument } from './api-document.js';

// TypeScript is CommonJS; its named exports are not seen by an import.
const ts = createRequire(import.meta.url)('typescript') as typeof TypeScript;
const FOLDER = fileURLToPath(new URL('../../../../examples/typed-client/', import.meta.url));
const STRICT: TypeScript.CompilerOptions = {
  strict: true,
  noUncheckedIndexedAccess: true,
  noImplicitOverride: true,
  noUnusedLocals: true,
  noEmit: true,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  target: ts.ScriptTarget.ES2023,
  lib: ['lib.es2023.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts', 'lib.dom.asynciterable.d.ts'],
  types: [],
};
/** Libraries of TypeScript are parsed once for all programs of a test file. */
const parsed = new Map<string, TypeScript.SourceFile | undefined>();

/** Types of a client, as openapi-typescript makes them of the document. */
export async function clientTypes(document: ApiDocument): Promise<string> {
  return astToString(await openapiTypescript(JSON.parse(JSON.stringify(document)) as Parameters<typeof openapiTypescript>[0]));
}

/**
 * Compiles examples/typed-client in strict mode beside these types.
 * @param more further files of that folder, by name
 * @returns what the compiler says, one line for each error; empty when it compiles
 */
export function compileClient(types: string, more: Record<string, string> = {}): string[] {
  const files = new Map(
    [
      ...readdirSync(FOLDER).map((name) => [name, readFileSync(join(FOLDER, name), 'utf8')] as const),
      ['api.ts', types] as const,
      ...Object.entries(more),
    ].map(([name, text]) => [join(FOLDER, name), text] as const),
  );
  const host = ts.createCompilerHost(STRICT);
  const read = host.getSourceFile.bind(host);
  host.getSourceFile = (name, target, ...rest) => {
    const own = files.get(name);
    if (own !== undefined) return ts.createSourceFile(name, own, target);
    if (!parsed.has(name)) parsed.set(name, read(name, target, ...rest));
    return parsed.get(name);
  };
  const fileExists = host.fileExists.bind(host);
  host.fileExists = (name) => files.has(name) || fileExists(name);
  const readFile = host.readFile.bind(host);
  host.readFile = (name) => files.get(name) ?? readFile(name);
  const program = ts.createProgram([...files.keys()], STRICT, host);
  return ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) => {
    const line =
      file && start !== undefined ? `${file.fileName.slice(FOLDER.length)}:${file.getLineAndCharacterOfPosition(start).line + 1} ` : '';
    return `${line}${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
  });
}
