/**
 * The network's course as rails beside its table: a lane for every tensor that is still to be used, a stop for every node, and curves where
 * branches part and join.
 */

/** What one row of the table draws. Lanes are numbered from the left. */
export interface RailRow {
  /** Where the node stands. */
  readonly stop: number;
  /** Lanes that pass by it, from the row's top to its bottom. */
  readonly through: readonly number[];
  /** Lanes that come to it from the row's top. */
  readonly into: readonly number[];
  /** Whether its own lane goes on below. */
  readonly on: boolean;
}

export interface Rails {
  readonly lanes: number;
  readonly rows: readonly RailRow[];
}

/** A node as far as rails go: its name, and the names of those that it takes its inputs from. */
export interface Stop {
  readonly node: string;
  readonly from: readonly string[];
}

/**
 * Lays the rails.
 * @param stops in the order of the network, the input first
 */
export function layRails(stops: readonly Stop[]): Rails {
  const last = new Map<string, number>();
  stops.forEach(({ from }, row) => from.forEach((name) => last.set(name, row)));
  const lanes: (string | null)[] = [];
  let most = 0;
  const rows = stops.map(({ node, from }, row): RailRow => {
    const before = [...lanes];
    const into = before.flatMap((name, lane) => (name !== null && from.includes(name) ? [lane] : []));
    for (const lane of into) if (last.get(lanes[lane]!)! <= row) lanes[lane] = null;
    const through = before.flatMap((name, lane) => (name !== null && lanes[lane] === name ? [lane] : []));
    // A node goes on in the lane of an input that nobody else needs, or else in the first one that is free.
    const freed = into.find((lane) => lanes[lane] === null);
    const free = lanes.indexOf(null);
    const stop = freed ?? (free < 0 ? lanes.length : free);
    const on = (last.get(node) ?? -1) > row;
    lanes[stop] = on ? node : null;
    while (lanes.at(-1) === null) lanes.pop();
    most = Math.max(most, stop + 1, lanes.length);
    return { stop, through, into, on };
  });
  return { lanes: most, rows };
}
