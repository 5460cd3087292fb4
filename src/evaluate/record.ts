/** A journal on disk: taken up where it ends, and added to line by line. Node only. */
import type { FileHandle } from 'node:fs/promises';
import { InputError } from '../errors.ts';
import { differences, formatLine, parseJournal, type Header } from './journal.ts';
import type { Row } from './rows.ts';

/** A journal being written. */
export interface Recorder {
  /** What it held when it was opened. */
  readonly rows: readonly Row[];
  /** Adds a line in one write; it is in the file when this returns. */
  add(row: Row): Promise<void>;
  /** Brings the file to disk and closes it. */
  close(): Promise<void>;
}

/**
 * Opens the journal of an evaluation: a new one, or one that a run under the same settings has begun. A torn last line is cut off. A new
 * file is made with its first row, so that a run which fails before leaves nothing behind.
 * @throws InputError if the file cannot be opened, or was begun under other settings (the message says which)
 * @throws FormatError if it is no journal, or damaged before its last line
 */
export async function openRecorder(file: string, header: Header): Promise<Recorder> {
  const { open, readFile, truncate } = await import('node:fs/promises');
  const fail = (error: unknown): never => {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new InputError(`--output: expected to write "${file}", got ${code}. Check the folder and its rights.`);
  };
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => (error.code === 'ENOENT' ? null : fail(error)));
  const text = bytes === null ? '' : new TextDecoder().decode(bytes);
  const journal = parseJournal(text, file);
  if (journal) checkSame(journal.header, header, file);
  const whole = new TextEncoder().encode(text.slice(0, journal?.whole ?? 0)).length;
  if (bytes !== null && bytes.length > whole) await truncate(file, whole).catch(fail);
  let handle: FileHandle | null = null;
  let start = journal ? '' : formatLine(header);
  return {
    rows: journal?.rows ?? [],
    add: async (row) => {
      handle ??= await open(file, 'a').catch(fail);
      await handle.appendFile(start + formatLine(row)).catch(fail);
      start = '';
    },
    close: async () => {
      if (handle === null) return;
      await handle.sync().catch(() => {});
      await handle.close();
    },
  };
}

function checkSame(before: Header, now: Header, file: string): void {
  const { images, shard } = before;
  const told = differences({ ...before.settings, images, shard }, { ...now.settings, images: now.images, shard: now.shard });
  if (told === '') return;
  throw new InputError(
    `--output: expected "${file}" to be of the same evaluation, but it was begun under other settings (there and now): ${told}.` +
      ' Give those settings again, or another file.',
  );
}
