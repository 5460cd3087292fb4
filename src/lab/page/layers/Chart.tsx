/** A small line chart: a number under each rule at every stop of the way down, and where one stands. */
import { RULES, type Rule } from '../../../rule.ts';
import { brief } from './numbers.ts';

const [WIDTH, HEIGHT, LEFT, TOP, BOTTOM] = [440, 130, 44, 8, 8];

export interface ChartProps {
  readonly title: string;
  /** By rule, a number for each stop; null where there is none. */
  readonly lines: Partial<Readonly<Record<Rule, readonly (number | null)[]>>>;
  readonly range: readonly [low: number, high: number];
  /** How an end of the range is told. */
  readonly tell?: (v: number) => string;
  readonly stops: number;
  readonly step: number;
  readonly onStep: (step: number) => void;
}

export function Chart({ title, lines, range: [low, high], tell = brief, stops, step, onStep }: ChartProps) {
  const x = (i: number): number => LEFT + ((WIDTH - LEFT - 8) * i) / Math.max(1, stops - 1);
  const y = (v: number): number => TOP + ((HEIGHT - TOP - BOTTOM) * (high - v)) / (high - low || 1);
  return (
    <figure class="figure chart">
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        role="img"
        aria-label={`${title}, from the scores at the left to the input at the right, under each rule; the numbers stand in the table below`}
        onClick={(event) => {
          const box = event.currentTarget.getBoundingClientRect();
          const at = (WIDTH * (event.clientX - box.left)) / box.width;
          onStep(Math.round(((at - LEFT) / (WIDTH - LEFT - 8)) * (stops - 1)));
        }}
      >
        <path class="frame-line" d={`M${LEFT} ${y(high)}H${WIDTH - 8}M${LEFT} ${y(low)}H${WIDTH - 8}`} />
        <text x={LEFT - 6} y={y(high) + 4} text-anchor="end">
          {tell(high)}
        </text>
        <text x={LEFT - 6} y={y(low) + 4} text-anchor="end">
          {tell(low)}
        </text>
        <path class="step-line" d={`M${x(step)} ${TOP}V${HEIGHT - BOTTOM}`} />
        {RULES.map((rule) => lines[rule] && <path key={rule} class={`line rule-${rule}`} d={pathOf(lines[rule], x, y)} />)}
      </svg>
      <figcaption>{title}</figcaption>
    </figure>
  );
}

/** A line through what is there; it breaks off where nothing is. */
function pathOf(values: readonly (number | null)[], x: (i: number) => number, y: (v: number) => number): string {
  let pen = false;
  return values
    .map((v, i) => {
      if (v === null) {
        pen = false;
        return '';
      }
      const command = pen ? 'L' : 'M';
      pen = true;
      return `${command}${x(i).toFixed(1)} ${y(v).toFixed(1)}`;
    })
    .join('');
}

/** Which line is whose, by colour and by dashes. */
export function Legend() {
  return (
    <ul class="chart-legend">
      {RULES.map((rule) => (
        <li key={rule}>
          <svg width="28" height="8" aria-hidden="true">
            <path class={`line rule-${rule}`} d="M0 4H28" />
          </svg>
          {rule}
        </li>
      ))}
    </ul>
  );
}
