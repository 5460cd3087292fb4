/**
 * JSON from a file: what `JSON.parse` takes, less objects that name a key twice.
 */
import { FormatError } from '../errors.ts';

/**
 * Parses JSON; `format` starts the message.
 * @throws FormatError if the text is not JSON, or an object has a key twice.
 */
export function parseJson(text: string, format: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new FormatError(`${format}: expected JSON, got ${reason(error)}. The file is damaged.`);
  }
  const twice = repeatedKey(text);
  if (twice !== undefined) {
    throw new FormatError(`${format}: expected each key of an object once, got ${JSON.stringify(twice)} twice. The file is damaged.`);
  }
  return value;
}

/** The parser's own words on one line: it quotes the text. */
function reason(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/[\s\p{Cc}]+/gu, ' ');
}

/** The first key that some object has twice. The text is known to be JSON. */
function repeatedKey(text: string): string | undefined {
  // One set for each open object; null for an open array.
  const open: (Set<string> | null)[] = [];
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '{') open.push(new Set());
    else if (c === '[') open.push(null);
    else if (c === '}' || c === ']') open.pop();
    else if (c === '"') {
      const start = i++;
      while (text[i] !== '"') i += text[i] === '\\' ? 2 : 1;
      const keys = open.at(-1);
      let next = i + 1;
      while (/\s/.test(text[next] ?? '')) next += 1;
      if (!keys || text[next] !== ':') continue;
      const key = JSON.parse(text.slice(start, i + 1)) as string;
      if (keys.has(key)) return key;
      keys.add(key);
    }
  }
  return undefined;
}

/** True for `{...}`: not null, not an array. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
