/** From rows to the table: errors and shares with their intervals. */
import { wilson, type Share } from './interval.ts';
import type { BoxRow, MapName, Row } from './rows.ts';

/** One line of the table of localisation. */
export interface LocalisationLine extends MapName {
  readonly method: string;
  /** Images without a right box. */
  readonly error: Share;
  /** Images where the method found no box at all. */
  readonly empty: number;
}

/** Without a map: pointing at the middle of the picture. */
export interface PointingLine extends MapName {
  /** Images whose map points at the object. */
  readonly right: Share;
  /** Images whose map is zero everywhere. */
  readonly empty: number;
}

export interface Summary {
  readonly images: number;
  /** Images whose class is the best one, and among the five best. */
  readonly top1: Share;
  readonly top5: Share;
  readonly localisation: readonly LocalisationLine[];
  readonly pointing: readonly PointingLine[];
}

/** Counts rows; their order does not matter, and lines come in the order in which the first row has them. */
export function summarise(rows: readonly Row[]): Summary {
  const n = rows.length;
  const count = (right: (row: Row) => boolean): Share => wilson(rows.filter(right).length, n);
  const boxRows = rows.filter((row): row is BoxRow => 'results' in row);
  const [first] = boxRows;
  const same = (a: MapName, b: MapName): boolean => a.map === b.map && a.rule === b.rule;
  return {
    images: n,
    top1: count((row) => row.top5[0] === row.class),
    top5: count((row) => row.top5.includes(row.class)),
    localisation: (first?.results ?? []).map((line) => {
      const own = boxRows.flatMap(({ results }) => results.filter((result) => result.method === line.method && same(result, line)));
      return {
        method: line.method,
        map: line.map,
        rule: line.rule,
        error: wilson(own.filter(({ hit }) => !hit).length, own.length),
        empty: own.filter(({ attempts }) => attempts.every(({ box }) => box === null)).length,
      };
    }),
    pointing: (first?.pointing ?? []).map((line) => {
      const own = boxRows.flatMap(({ pointing }) => pointing.filter((result) => same(result, line)));
      return {
        map: line.map,
        rule: line.rule,
        right: wilson(own.filter(({ hit }) => hit).length, own.length),
        empty: own.filter(({ attempts }) => attempts.every(({ at }) => at === null)).length,
      };
    }),
  };
}
