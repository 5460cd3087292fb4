/** The roofline in the page's own colours and at its own width: cases by intensity and speed, under what the device was measured to do. */
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { decades, logScale, tick, type RooflineFrame } from '../../../bench/rooflineFrame.ts';
import { formatSpeed } from '../../../bench/words.ts';

/** Told from each other on light and on dark, and by their marks too. */
const COLOURS = ['#3b82c4', '#cf7427', '#3d9a57', '#9a6fd0', '#d25565', '#8a8a2a', '#1f9aa5', '#b862b8', '#808890', '#b98a1f'];

export function Roofline({ frame }: { frame: RooflineFrame }) {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const element = box.current!;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    setWidth(element.clientWidth);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const { kinds, slopes, peak, points } = frame;
  const memory = slopes[slopes.length - 1];
  return (
    <div class="roofline">
      <div ref={box}>{width > 0 && <Plot frame={frame} width={width} />}</div>
      <ul aria-label="Kinds of cases">
        {kinds.map((kind, k) => (
          <li key={kind}>
            <svg width="14" height="14" viewBox="-7 -7 14 14" aria-hidden="true">
              <Mark k={k} x={0} y={0} />
            </svg>
            {kind}
          </li>
        ))}
      </ul>
      <p class="muted">
        {points.length === 0 ? 'Cases with multiply-adds will lie' : 'Cases lie'} under two roofs: multiply-adds at {formatSpeed(peak)}{' '}
        GFLOP/s, and memory at {formatSpeed(memory.gbs)} GB/s over {memory.bytes / 2 ** 20} MiB (solid) or as measured over less (dashed).
        Ops that only move numbers have no place here.
      </p>
    </div>
  );
}

function Plot({ frame, width }: { frame: RooflineFrame; width: number }) {
  const { intensities, speeds, slopes, peak, points, kinds } = frame;
  const height = Math.round(Math.min(460, Math.max(260, width * 0.55)));
  const [left, top, right, bottom] = [52, 12, width - 12, height - 42];
  const [low, high] = intensities;
  const x = logScale(low, high, left, right);
  const y = logScale(...speeds, bottom, top);
  const ridges = slopes.map(({ gbs }) => peak / gbs);
  // Powers of ten whose numbers would touch are left out.
  const stride = Math.ceil((56 * Math.log10(high / low)) / Math.max(1, right - left));
  const memory = slopes[slopes.length - 1];
  return (
    <svg
      width={width}
      height={height}
      role="img"
      aria-label={`Roofline: ${points.length} cases under ${formatSpeed(peak)} GFLOP/s and ${formatSpeed(memory.gbs)} GB/s; the table has their numbers.`}
    >
      <clipPath id="roofline">
        <rect x={left} y={top} width={Math.max(0, right - left)} height={bottom - top} />
      </clipPath>
      {decades(low, high).map((value, i) => (
        <g key={`x${value}`}>
          <line class="grid" x1={x(value)} x2={x(value)} y1={top} y2={bottom} />
          {i % stride === 0 && (
            <text x={x(value)} y={bottom + 16} text-anchor="middle">
              {tick(value)}
            </text>
          )}
        </g>
      ))}
      {decades(...speeds).map((value) => (
        <g key={`y${value}`}>
          <line class="grid" x1={left} x2={right} y1={y(value)} y2={y(value)} />
          <text x={left - 6} y={y(value) + 4} text-anchor="end">
            {tick(value)}
          </text>
        </g>
      ))}
      <text x={(left + right) / 2} y={height - 6} text-anchor="middle">
        FLOP per byte
      </text>
      <text transform={`translate(11 ${(top + bottom) / 2}) rotate(-90)`} text-anchor="middle">
        GFLOP/s
      </text>
      <g clip-path="url(#roofline)">
        {slopes.map(({ bytes, gbs }, i) => (
          <line
            key={bytes}
            class={i === slopes.length - 1 ? 'roof' : 'roof cache'}
            x1={x(low)}
            y1={y(low * gbs)}
            x2={x(ridges[i])}
            y2={y(peak)}
          />
        ))}
        <line class="roof" x1={x(Math.max(low, Math.min(...ridges)))} y1={y(peak)} x2={right} y2={y(peak)} />
      </g>
      {points.map(({ id, kind, intensity, gflops, share }) => (
        <Mark key={id} k={kinds.indexOf(kind)} x={x(intensity)} y={y(gflops)}>
          {`${id}: ${formatSpeed(gflops)} GFLOP/s, ${(100 * share).toFixed(0)} % of the roof`}
        </Mark>
      ))}
    </svg>
  );
}

/** Circle, square, triangle by turns. */
function Mark({ k, x, y, children }: { k: number; x: number; y: number; children?: string }) {
  const props = { fill: COLOURS[k % COLOURS.length], transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`, class: 'point' };
  const title = children && <title>{children}</title>;
  if (k % 3 === 0)
    return (
      <circle {...props} r={4.5}>
        {title}
      </circle>
    );
  return (
    <path {...props} d={k % 3 === 1 ? 'M-4-4h8v8h-8z' : 'M0-5l5 9h-10z'}>
      {title}
    </path>
  );
}
