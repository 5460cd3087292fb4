/**
 * Annotations out of a table: one row for each box, or for each image where only the class is asked for. Bytes in, data out.
 */
import { CsvError, parse } from 'csv-parse/sync';
import { FormatError } from '../errors.ts';
import type { Box } from '../segment/box.ts';
import { annotatedBox, wnidOf, type Annotation, type Classes } from './annotation.ts';

/** A row of the table by column name, and the line that it stands on. */
interface TableRow {
  readonly line: number;
  readonly cells: ReadonlyMap<string, string>;
}

const BOX_COLUMNS = ['orig_w', 'orig_h', 'x0', 'y0', 'x1', 'y1'] as const;

export interface CsvOptions {
  /** Name of the file, for messages. */
  readonly file: string;
  /** Finds classes by WordNet id. */
  readonly classes: Classes;
  /** Labels in the order of the scores: where they begin with WordNet ids, a row's `wnid` must agree with its class. */
  readonly labels?: readonly string[];
  /** Whether every image must come with a box. */
  readonly boxes: boolean;
}

/**
 * Images in the order in which the table first names them, with all their boxes.
 *
 * The first line names the columns: `image`; the class as `class_index` or `class`, a number or a WordNet id, or as `wnid` alone; and for
 * boxes `orig_w, orig_h, x0, y0, x1, y1`, the extents of the picture they were drawn on and their corners. Other columns are ignored.
 * @throws FormatError naming file, line and values
 */
export function parseCsv(text: string, options: CsvOptions): Annotation[] {
  const { file, boxes } = options;
  const images = new Map<string, { annotation: Annotation; boxes: Box[]; line: number }>();
  for (const row of readTable(text, file, boxes)) {
    const where = `${file}:${row.line}`;
    const image = row.cells.get('image')!;
    if (image === '') throw new FormatError(`${where}: expected the name of an image, got nothing. Mend the line.`);
    const label = readClass(row, where, options);
    const extent = boxes ? readExtent(row, where) : null;
    const known = images.get(image);
    if (known === undefined) {
      const list: Box[] = [];
      images.set(image, { annotation: { image, class: label, extent, boxes: list }, boxes: list, line: row.line });
    } else {
      const said = (of: Pick<Annotation, 'class' | 'extent'>): string =>
        `class ${of.class}${of.extent ? `, ${of.extent[1]} x ${of.extent[0]} pixels` : ''}`;
      const [before, now] = [said(known.annotation), said({ class: label, extent })];
      if (before !== now)
        throw new FormatError(`${where}: expected "${image}" as on line ${known.line} (${before}), got ${now}. Mend one of the lines.`);
      if (!boxes)
        throw new FormatError(`${where}: expected each image once, got "${image}" again after line ${known.line}. Drop one of the lines.`);
    }
    if (extent) {
      const [x0, y0, x1, y1] = (['x0', 'y0', 'x1', 'y1'] as const).map((name) => readNumber(row, name, where));
      images.get(image)!.boxes.push(annotatedBox({ x0, y0, x1, y1 }, extent, where));
    }
  }
  if (images.size === 0) throw new FormatError(`${file}: expected at least one image under the line of column names, got none.`);
  return [...images.values()].map(({ annotation }) => annotation);
}

function readTable(text: string, file: string, boxes: boolean): TableRow[] {
  let records: { record: string[]; info: { lines: number } }[];
  try {
    // csv-parse counts lines up to a record's end: with no line breaks inside cells that is the record's own line.
    records = parse(text.replace(/\r\n?/g, '\n'), {
      bom: true,
      info: true,
      skip_empty_lines: true,
      trim: true,
      relax_column_count: true,
    }) as never;
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw new FormatError(`${file}: expected a table of comma-separated values, got: ${error.message} Mend the line.`);
  }
  const [first, ...rest] = records;
  const names = first?.record ?? [];
  const has = (name: string): boolean => names.includes(name);
  const missing = ['image', ...(boxes ? BOX_COLUMNS : [])].filter((name) => !has(name));
  if (!has('class_index') && !has('class') && !has('wnid')) missing.push('class_index');
  if (missing.length > 0) {
    throw new FormatError(
      `${file}:${first?.info.lines ?? 1}: expected the columns image, class_index${boxes ? `, ${BOX_COLUMNS.join(', ')}` : ''},` +
        ` got no ${missing.join(', ')} among "${names.join(',').slice(0, 80)}". Name them on the first line.`,
    );
  }
  return rest.map(({ record, info: { lines } }) => {
    if (record.length !== names.length) {
      throw new FormatError(
        `${file}:${lines}: expected ${names.length} values as on the first line, got ${record.length}:` +
          ` "${record.join(',').slice(0, 80)}". Mend the line.`,
      );
    }
    return { line: lines, cells: new Map(names.map((name, c) => [name, record[c]])) };
  });
}

function readClass({ cells }: TableRow, where: string, { classes, labels }: CsvOptions): number {
  const given = cells.get('class_index') ?? cells.get('class') ?? cells.get('wnid')!;
  if (/^n\d{8}$/.test(given)) return classes(given, where);
  if (!/^\d{1,7}$/.test(given)) {
    throw new FormatError(`${where}: expected a class, a number from 0 or a WordNet id, got "${given}". Mend the line.`);
  }
  const label = Number(given);
  const [wnid, named] = [cells.get('wnid'), wnidOf(labels?.[label])];
  if (wnid && named !== undefined && wnid !== named) {
    throw new FormatError(
      `${where}: expected class ${label} to be "${wnid}", but line ${label + 1} of the labels is "${named}".` +
        ' Give the labels of these classes.',
    );
  }
  return label;
}

function readExtent(row: TableRow, where: string): [number, number] {
  const [height, width] = (['orig_h', 'orig_w'] as const).map((name) => readNumber(row, name, where));
  if (![height, width].every((extent) => Number.isSafeInteger(extent) && extent > 0))
    throw new FormatError(`${where}: expected whole extents of at least 1 in orig_w, orig_h, got ${width}, ${height}. Mend the line.`);
  return [height, width];
}

function readNumber({ cells }: TableRow, name: string, where: string): number {
  const text = cells.get(name)!;
  if (!/^[-+]?\d+(\.\d+)?$/.test(text))
    throw new FormatError(`${where}: expected a number of pixels in ${name}, got "${text}". Mend the line.`);
  return Number(text);
}
