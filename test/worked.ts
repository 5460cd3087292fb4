// The worked examples of docs/gradients.md, and its table of who does what, as data.
import { readFileSync } from 'node:fs';
import { OPS } from '../src/ops/index.ts';
import { failFor } from '../src/ops/op.ts';
import { ruleSpec, type RuleSpec } from '../src/rule.ts';
import { size } from '../src/tensor.ts';

export const DOCUMENT = 'docs/gradients.md';

/** A number as written: where it is rounded, by at most half a unit in its last place. */
export interface WrittenNumber {
  readonly value: number;
  readonly slack: number;
}

export interface WrittenTensor {
  readonly shape: readonly number[];
  readonly numbers: readonly WrittenNumber[];
}

/** A signal that leaves at an input, under a rule. */
export interface WrittenSignal extends WrittenTensor {
  readonly input: string;
  readonly rule: RuleSpec;
}

export interface Worked {
  /** For messages: the op, its attributes, and the line in the document. */
  readonly title: string;
  readonly op: string;
  readonly attrs: Readonly<Record<string, unknown>>;
  readonly node: string;
  readonly training?: { readonly seed: number; readonly iteration: number };
  /** Names in the order of the op's inputs. */
  readonly inputs: readonly string[];
  readonly tensors: ReadonlyMap<string, WrittenTensor>;
  readonly y: WrittenTensor;
  readonly dy: WrittenTensor;
  readonly signals: readonly WrittenSignal[];
}

/** Of at most three places: exact; of more, or none that ends: rounded. Fractions are exact. */
function number(text: string, where: string): WrittenNumber {
  const match = /^(-?\d+)(?:\/(\d+)|\.(\d+))?$/.exec(text);
  if (!match) throw new Error(`${where}: expected a number, got "${text}"`);
  const [, whole, divisor, places] = match;
  if (divisor !== undefined) return { value: Number(whole) / Number(divisor), slack: 0 };
  return { value: Number(text), slack: places !== undefined && places.length > 3 ? 0.5 * 10 ** -places.length : 0 };
}

const attribute = (text: string): unknown =>
  text === 'true'
    ? true
    : text === 'false'
      ? false
      : text.includes(',')
        ? text.split(',').map(Number)
        : Number.isNaN(Number(text))
          ? text
          : Number(text);

function parse(lines: readonly string[], first: number): Worked {
  const [head, ...rest] = lines;
  const where = `${DOCUMENT}:${first}`;
  const [op, ...pairs] = head.split(/\s+/);
  const given = Object.fromEntries(pairs.map((pair) => [pair.split('=')[0], attribute(pair.split('=')[1])]));
  const { training, seed, iteration, node = op, ...attrs } = given;
  const entries: { name: string; rule: string; shape: string | null; words: string[]; at: string }[] = [];
  rest.forEach((line, k) => {
    const at = `${DOCUMENT}:${first + 1 + k}`;
    const named = /^(\w+)(?: \[([^\]]*)\])?\s+(.*)$/.exec(line);
    if (named) {
      const words = named[3].trim().split(/\s+/);
      // Signals have the shapes of what they belong to.
      const shaped = !/^d[a-z]/.test(named[1]);
      entries.push({ name: named[1], rule: named[2] ?? '', shape: shaped ? words.shift()! : null, words, at });
    } else entries.at(-1)!.words.push(...line.trim().split(/\s+/));
  });
  const tensors = new Map<string, WrittenTensor>();
  const signals: WrittenSignal[] = [];
  let dy: WrittenTensor | undefined;
  for (const { name, rule, shape, words, at } of entries) {
    const of = name === 'dy' ? 'y' : name.slice(1);
    const extents = shape === null ? tensors.get(of)?.shape : shape === 'scalar' ? [] : shape.split('x').map(Number);
    if (extents === undefined) throw new Error(`${at}: expected "${of}" before "${name}"`);
    const written: WrittenTensor = { shape: extents, numbers: words.map((word) => number(word, at)) };
    if (written.numbers.length !== size(extents))
      throw new Error(`${at}: expected ${size(extents)} numbers, got ${written.numbers.length}`);
    if (name === 'dy') dy = written;
    else if (shape === null) {
      const axes = rule === '' ? [] : rule.split(/\s+/).map((pair) => pair.split('='));
      signals.push({ ...written, input: of, rule: ruleSpec(Object.fromEntries(axes)) });
    } else tensors.set(name, written);
  }
  const y = tensors.get('y');
  if (y === undefined || dy === undefined) throw new Error(`${where}: expected y and dy`);
  tensors.delete('y');
  return {
    title: `${head} (line ${first})`,
    op,
    // Unknown attributes are errors.
    attrs: (OPS[op]?.attrs(attrs, failFor(op, where)), attrs),
    node: String(node),
    ...(training ? { training: { seed: seed as number, iteration: iteration as number } } : {}),
    inputs: [...tensors.keys()],
    tensors,
    y,
    dy,
    signals,
  };
}

const text = readFileSync(DOCUMENT, 'utf8').split('\n');

/** Every block of the document, in order. */
export function workedExamples(): Worked[] {
  const found: Worked[] = [];
  for (let k = 0; k < text.length; k++) {
    if (text[k] !== '```worked') continue;
    const end = text.indexOf('```', k);
    found.push(parse(text.slice(k + 1, end), k + 2));
    k = end;
  }
  return found;
}

export interface ConformanceRow {
  readonly tool: string;
  /** The rules as written, and as data where they are any. */
  readonly here: string;
  readonly rule: RuleSpec | null;
  readonly preset: string | null;
  readonly test: { readonly file: string; readonly words: string } | null;
  readonly source: string;
}

/** The table under "Who does what". */
export function conformanceTable(): ConformanceRow[] {
  const from = text.indexOf('## Who does what');
  const rows = text.slice(from).filter((line) => line.startsWith('| ') && !line.startsWith('| tool'));
  return rows.map((line): ConformanceRow => {
    const cells = line
      .slice(1, -1)
      .split(' | ')
      .map((cell) => cell.trim());
    if (cells.length !== 6) throw new Error(`${DOCUMENT}: expected six cells, got ${cells.length} in ${line}`);
    const [tool, , , here, backed, source] = cells;
    const preset = /^preset `([^`]+)`$/.exec(backed);
    const tested = /^test `([^`]+)`: "(.+)"$/.exec(backed);
    if (!preset && !tested) throw new Error(`${DOCUMENT}: expected a preset or a test, got "${backed}"`);
    const rules = /^`([^`]+)`$/.exec(here);
    const axes = rules && rules[1] !== 'gradient' ? rules[1].split(' ').map((pair) => pair.split('=')) : [];
    return {
      tool,
      here,
      rule: rules && ruleSpec(Object.fromEntries(axes)),
      preset: preset && preset[1],
      test: tested && { file: tested[1], words: tested[2] },
      source,
    };
  });
}
