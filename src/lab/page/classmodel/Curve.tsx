/** One number of an ascent against its iteration. */
import { inWords, pointsOf, rangeOf, short } from './curve.ts';

export function Curve(props: {
  name: string;
  values: readonly number[];
  /** The iteration at the right edge. */
  last: number;
  /** Where the recipe was changed. */
  marks: readonly number[];
  range?: readonly [number, number];
}) {
  const { name, values, last, marks } = props;
  const range = props.range ?? rangeOf(values);
  const latest = values[values.length - 1];
  return (
    <div class="curve">
      <h3>
        {name} <b class="number">{latest === undefined ? '' : short(latest)}</b>
      </h3>
      <div class="plot">
        <svg viewBox="0 -3 100 106" preserveAspectRatio="none" role="img" aria-label={inWords(name, values)}>
          {marks.map((t) => (
            <line key={t} class="mark" x1={(100 * t) / Math.max(1, last)} x2={(100 * t) / Math.max(1, last)} y1={-3} y2={103} />
          ))}
          {values.length > 0 && <polyline points={pointsOf(values, last, range)} />}
        </svg>
        <div class="range" aria-hidden="true">
          {values.length > 0 && (
            <>
              <span>{short(range[1])}</span>
              <span>{short(range[0])}</span>
            </>
          )}
        </div>
        <div class="axis" aria-hidden="true">
          <span>0</span>
          <span>{last}</span>
        </div>
      </div>
    </div>
  );
}
