/** One layer's channels side by side, and one of them large; a click or the arrow keys choose a unit. */
import { useMemo, useState } from 'preact/hooks';
import type { Picture } from '../../../image/picture.ts';
import { SCALES, type View } from '../../view.ts';
import type { LayerRow } from '../../worker/exploreLayers.ts';
import type { Tiles } from '../../worker/exploreMaps.ts';
import { Files, npyOf, pngOf } from '../export.tsx';
import { useAnswer, useLab, usePicture, useStore } from '../hooks.ts';
import { Choice, Wait } from '../parts.tsx';
import { extents } from './numbers.ts';
import { progressWords } from './question.ts';

const KIND_WORDS = { value: 'activation', signal: 'arriving signal', mask: 'gates', switches: 'winners of windows' } as const;
const SCALE_WORDS = { shared: 'one for all', own: 'each its own' } as const;

/** The kinds of maps that a layer has. */
function kindsOf({ gate, passing, windows }: LayerRow): View['maps'][] {
  return ['value', 'signal', ...(gate || passing ? (['mask'] as const) : []), ...(windows ? (['switches'] as const) : [])];
}

export function Maps({ row, k }: { row: LayerRow; k: number }) {
  const lab = useStore();
  const state = useLab();
  const { view } = state;
  const { rules, at, scale } = view;
  const kinds = kindsOf(row);
  const kind = kinds.includes(view.maps) ? view.maps : 'value';
  const [, channels, height = 1, width = 1] = row.shape;
  const perPage = height * width === 1 ? 1024 : 64;
  // As many as were asked for, and those up to the chosen unit's.
  const [more, setMore] = useState({ layer: row.node, pages: 1 });
  const pages = Math.max(more.layer === row.node ? more.pages : 1, Math.ceil(((view.unit?.[0] ?? 0) + 1) / perPage));
  const asked = useAnswer('layerMaps', { layer: row.node, kind, class: k, rules, at, scale, pages });
  const tiles = asked.answer;
  const unit = placeOf(view.unit, row.shape);
  const choose = (c: number, y: number, x: number): void => {
    const inside = (v: number, extent: number): number => Math.min(extent - 1, Math.max(0, v));
    const chosen = [inside(c, channels), inside(y, height), inside(x, width)];
    lab.view({ unit: row.shape.length === 2 ? chosen.slice(0, 1) : chosen });
  };
  const coordinate = (name: string, axis: 0 | 1 | 2, extent: number) => (
    <label class="knob">
      <span>{name}</span>
      <input
        type="number"
        min={0}
        max={extent - 1}
        value={unit ? unit[axis] : ''}
        onChange={(event) => {
          const next: [number, number, number] = unit ? [...unit] : [0, 0, 0];
          next[axis] = Math.round(event.currentTarget.valueAsNumber) || 0;
          choose(...next);
        }}
      />
    </label>
  );
  return (
    <section class="card" aria-label={`Maps of ${row.node}`}>
      <header>
        <h2>
          {row.node}: {KIND_WORDS[kind]}
        </h2>
        <p class="muted">
          {row.op}, {extents(row.shape)}
        </p>
      </header>
      <div class="knobs">
        <Choice name="show" value={kind} options={kinds} words={KIND_WORDS} onChange={(maps) => lab.view({ maps })} />
        <Choice name="range of colours" value={scale} options={SCALES} words={SCALE_WORDS} onChange={(next) => lab.view({ scale: next })} />
        {coordinate(height * width === 1 ? 'unit' : 'channel', 0, channels)}
        {height > 1 && coordinate('row', 1, height)}
        {width > 1 && coordinate('column', 2, width)}
        {tiles && kind !== 'mask' && kind !== 'switches' && (
          <button
            type="button"
            onClick={() => {
              const [c, y = 0, x = 0] = tiles.strongest;
              choose(c, y, x);
            }}
          >
            the strongest
          </button>
        )}
      </div>
      {tiles && (
        <div class={asked.pending ? 'maps stale' : 'maps'}>
          <Grid tiles={tiles} unit={unit} label={`${KIND_WORDS[tiles.kind]} of ${tiles.layer}`} onChoose={choose} />
          {unit && unit[0] < tiles.shown && height * width > 1 && <One tiles={tiles} unit={unit} onChoose={choose} />}
        </div>
      )}
      {tiles && (
        <p class="muted">
          {tiles.words} {tiles.shown < tiles.channels ? `The first ${tiles.shown} of ${tiles.channels}. ` : ''}
          {tiles.shown < tiles.channels && (
            <button type="button" class="small" onClick={() => setMore({ layer: row.node, pages: pages + 1 })}>
              more
            </button>
          )}
        </p>
      )}
      {tiles && (
        <Files
          of={state}
          words={[tiles.layer, KIND_WORDS[tiles.kind]]}
          png={(of) => pngOf(of, tiles.picture, `${KIND_WORDS[tiles.kind]} of ${tiles.layer}`, { Colours: tiles.words })}
          npy={async (of) => {
            const question = { layer: tiles.layer, kind: tiles.kind, class: k, rules, at };
            return npyOf(of, await of.client.call('layerTensor', question));
          }}
          numbers="all of it .npy"
        />
      )}
      <Wait {...asked}>{progressWords('looking', asked.report)}</Wait>
    </section>
  );
}

type Place = readonly [channel: number, row: number, column: number];

/** A unit of the view in a layer of this shape; null if it has no such one. */
function placeOf(unit: readonly number[] | null, [, channels, height = 1, width = 1]: readonly number[]): Place | null {
  if (!unit) return null;
  const [c, y = 0, x = 0] = unit;
  return c < channels && y < height && x < width ? [c, y, x] : null;
}

interface Choosing {
  readonly onChoose: (c: number, y: number, x: number) => void;
}

/** Where a click fell on a canvas, in its own pixels. */
function pixelOf(event: MouseEvent & { currentTarget: HTMLElement }, { width, height }: Picture): [x: number, y: number] {
  const box = event.currentTarget.getBoundingClientRect();
  const along = (v: number, extent: number): number => Math.min(extent - 1, Math.max(0, Math.floor(v * extent)));
  return [along((event.clientX - box.left) / box.width, width), along((event.clientY - box.top) / box.height, height)];
}

const share = (part: number, whole: number): string => `${(100 * part) / whole}%`;

function Grid({ tiles, unit, label, onChoose }: Choosing & { tiles: Tiles; unit: Place | null; label: string }) {
  const { picture, columns, gap, shown } = tiles;
  const [height, width] = tiles.tile;
  const canvas = usePicture(picture);
  const cells = height * width === 1;
  const keys = (event: KeyboardEvent): void => {
    const [c, y, x] = unit ?? [0, 0, 0];
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    const channel = { PageUp: -1, PageDown: 1 }[event.key];
    if (!step && channel === undefined) return;
    event.preventDefault();
    if (channel !== undefined) onChoose(c + channel, y, x);
    else if (cells) onChoose(c + step![0] * columns + step![1], 0, 0);
    else onChoose(c, y + step![0], x + step![1]);
  };
  const place =
    unit && unit[0] < shown ? { x: (unit[0] % columns) * (width + gap), y: Math.floor(unit[0] / columns) * (height + gap) } : null;
  return (
    <div
      class="tiles"
      tabIndex={0}
      role="group"
      aria-label={`${label}: arrow keys move the unit, page up and page down the channel`}
      onKeyDown={keys}
      onClick={(event) => {
        const [px, py] = pixelOf(event, picture);
        const c = Math.floor(py / (height + gap)) * columns + Math.floor(px / (width + gap));
        if (c < shown) onChoose(c, Math.min(height - 1, py % (height + gap)), Math.min(width - 1, px % (width + gap)));
      }}
    >
      <canvas ref={canvas} role="img" aria-label={`${label}, ${shown} maps`} />
      {place && (
        <span
          class="tile-mark"
          style={{
            left: share(place.x, picture.width),
            top: share(place.y, picture.height),
            width: share(width, picture.width),
            height: share(height, picture.height),
          }}
        />
      )}
    </div>
  );
}

/** The chosen channel by itself, so that its pixels can be hit. */
function One({ tiles, unit: [c, y, x], onChoose }: Choosing & { tiles: Tiles; unit: Place }) {
  const [height, width] = tiles.tile;
  const picture = useMemo(() => tileOf(tiles, c), [tiles, c]);
  const canvas = usePicture(picture);
  return (
    <figure class="figure one">
      <div
        class="tiles"
        onClick={(event) => {
          const [px, py] = pixelOf(event, picture);
          onChoose(c, py, px);
        }}
      >
        <canvas ref={canvas} role="img" aria-label={`channel ${c}, unit at row ${y}, column ${x}`} />
        <span
          class="tile-mark pixel"
          style={{ left: share(x, width), top: share(y, height), width: share(1, width), height: share(1, height) }}
        />
      </div>
      <figcaption>
        channel {c}; row {y}, column {x}
      </figcaption>
    </figure>
  );
}

function tileOf({ picture, columns, gap, tile: [height, width] }: Tiles, c: number): Picture {
  const data = new Uint8Array(4 * height * width);
  const [left, top] = [(c % columns) * (width + gap), Math.floor(c / columns) * (height + gap)];
  for (let y = 0; y < height; y++) {
    const from = 4 * ((top + y) * picture.width + left);
    data.set(picture.data.subarray(from, from + 4 * width), 4 * y * width);
  }
  return { width, height, data };
}
