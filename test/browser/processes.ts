/** Processes of the browser that a test has opened, and of no other. Linux. */
import { readdirSync, readFileSync } from 'node:fs';

const read = (pid: number, file: string): string => {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    // It has just ended.
    return '';
  }
};

const parentOf = (pid: number): number => Number(/^PPid:\s+(\d+)/m.exec(read(pid, 'status'))?.[1] ?? 0);

/** Descendants of a process that were started as `--type=...`. */
export function processesBelow(root: number, type: string): number[] {
  const below = (pid: number): boolean => {
    for (let at = parentOf(pid); at > 1; at = parentOf(at)) if (at === root) return true;
    return false;
  };
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => read(pid, 'cmdline').split(/[\0 ]/).includes(`--type=${type}`) && below(pid));
}

/** What of it lies in memory. */
export const residentBytes = (pid: number): number => 1024 * Number(/^VmRSS:\s+(\d+) kB/m.exec(read(pid, 'status'))?.[1] ?? 0);
