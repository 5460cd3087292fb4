/**
 * Modules of Node and packages with native parts, by `import(name)` that bundlers do not follow: a browser bundle of the library builds
 * without stand-ins for what it never calls.
 */

/** True under Node, false in a browser. */
export const underNode = (): boolean => typeof process !== 'undefined' && process.versions?.node !== undefined;

/** `import(name)` that bundlers leave alone. */
export function load<T>(name: string): Promise<T> {
  return import(/* @vite-ignore */ /* webpackIgnore: true */ name) as Promise<T>;
}

/** The modules of Node that finding a driver takes. */
export interface Node {
  readonly fs: typeof import('node:fs');
  readonly os: typeof import('node:os');
  readonly path: typeof import('node:path');
  readonly module: typeof import('node:module');
}

export async function node(): Promise<Node> {
  const [fs, os, path, module] = await Promise.all([
    load<Node['fs']>('node:fs'),
    load<Node['os']>('node:os'),
    load<Node['path']>('node:path'),
    load<Node['module']>('node:module'),
  ]);
  return { fs, os, path, module };
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
