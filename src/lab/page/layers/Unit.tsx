/** One unit: what it sees, what it sends down under each rule, and what decides on the way. */
import { RULES } from '../../../rule.ts';
import { SCALES } from '../../view.ts';
import type { FieldWinners } from '../../worker/exploreUnit.ts';
import type { UnitSheet } from '../../worker/exploreUnitSheet.ts';
import { Files, npyOf, pngOf } from '../export.tsx';
import { useAnswer, useLab, useStore } from '../hooks.ts';
import { Choice, Column, Figure, Wait } from '../parts.tsx';
import { brief, percent, RULE_SCALE_WORDS } from './numbers.ts';
import { progressWords } from './question.ts';

export function Unit({ layer, unit }: { layer: string; unit: readonly number[] }) {
  const lab = useStore();
  const { rules, at, scale, clip } = useLab().view;
  const asked = useAnswer('unit', { layer, unit, rules, at, scale, clip });
  const sheet = asked.answer;
  // While another unit is awaited, the last one is told by its own name.
  const where = `unit ${(sheet?.at ?? unit).join(', ')} of ${sheet?.layer ?? layer}`;
  return (
    <section class="card" aria-label="Unit">
      <header>
        <h2>
          {where}
          {sheet && <>: {brief(sheet.value)}</>}
        </h2>
        <button type="button" class="small" onClick={() => lab.view({ unit: null })}>
          let go
        </button>
      </header>
      {sheet && <Sheet sheet={sheet} where={where} stale={asked.pending} />}
      {sheet && (
        <div class="knobs">
          <Choice
            name="range of colours"
            value={scale}
            options={SCALES}
            words={RULE_SCALE_WORDS}
            onChange={(next) => lab.view({ scale: next })}
          />
        </div>
      )}
      <Wait {...asked}>{progressWords('following the unit down', asked.report)}</Wait>
    </section>
  );
}

function Sheet({ sheet, where, stale }: { sheet: UnitSheet; where: string; stale: boolean }) {
  const state = useLab();
  const { rules: along, at } = state.view;
  const { field, open, influence, rules, layers, winners } = sheet;
  const words = [sheet.layer, ...sheet.at.map(String)];
  const extent = `${field.x1 - field.x0}×${field.y1 - field.y0}`;
  return (
    <>
      <div class={stale ? 'figures small-figures stale' : 'figures small-figures'}>
        <Figure picture={sheet.photo} label={`the photo with the receptive field of ${where} as a box`}>
          receptive field, {extent} pixels of the input from {field.x0},{field.y0}
          <Files
            of={state}
            words={[...words, 'field']}
            png={(lab) => pngOf(lab, sheet.photo, `Receptive field of ${where}`, { Field: JSON.stringify(field) })}
          />
        </Figure>
        <Figure picture={sheet.seen} sharp label="what the unit sees; what no open path reaches is dimmed">
          open: {open.pixels} of {open.of} pixels, {open.pixels > 0 ? `10^${open.log10Paths.toFixed(1)} paths` : 'no path'}
          <Files
            of={state}
            words={[...words, 'open']}
            png={(lab) => pngOf(lab, sheet.seen, `What ${where} sees through open gates`, { Field: JSON.stringify(field) })}
          />
        </Figure>
        {rules.map(({ rule, picture, high, mass }) => (
          <Figure key={rule} picture={picture} sharp label={`what ${where} sends down to these pixels under ${rule}`}>
            <strong>{rule}</strong>, {mass.units > 0 ? `±${brief(high)}, norm ${brief(Math.sqrt(mass.l2Squared))}` : 'zero everywhere'}
            <Files
              of={state}
              words={[...words, rule]}
              png={(lab) =>
                pngOf(lab, picture, `What ${where} sends down under ${rule}`, {
                  Rule: rule,
                  Range: `±${high}, mid-grey for zero`,
                  Field: JSON.stringify(field),
                })
              }
              npy={async (lab) => {
                const signals = await lab.client.call('unitSignals', { layer: sheet.layer, unit: sheet.at, rules: along, at });
                return npyOf(lab, signals[rule]);
              }}
            />
          </Figure>
        ))}
      </div>
      <p class="muted">
        Pixel times gradient adds up to {brief(influence.positive)} for and {brief(-influence.negative)} against; biases and the like make
        up the remaining {brief(influence.rest)}.
      </p>
      {layers.length > 0 && <Gates layers={layers} />}
      {winners.length > 0 && (
        <div>
          <h3>Winners of the windows in the field</h3>
          <div class="winners">
            {winners.map((one) => (
              <Winners key={one.node} {...one} />
            ))}
          </div>
        </div>
      )}
    </>
  );
}

/** Every ReLU and max-pool in the field: how much of it is open, and how much of the signal each rule passes. */
function Gates({ layers }: Pick<UnitSheet, 'layers'>) {
  return (
    <div class="scroll">
      <table>
        <caption>On the way down, nearest to the input first</caption>
        <thead>
          <tr>
            <Column>layer</Column>
            <Column number>units in the field</Column>
            <Column number>open</Column>
            <Column number>closed</Column>
            <Column number>paths</Column>
            {RULES.map((rule) => (
              <Column number key={rule}>
                {rule} passes
              </Column>
            ))}
          </tr>
        </thead>
        <tbody>
          {layers.map(({ node, fieldUnits, open, paths, rules }) => (
            <tr key={node}>
              <th scope="row">{node}</th>
              <td class="number">{fieldUnits}</td>
              <td class="number">{open === null ? '–' : open}</td>
              <td class="number">{open === null ? '–' : fieldUnits - open}</td>
              <td class="number">
                {paths.log10 === -Infinity ? '0' : paths.log10 < 6 ? Math.round(10 ** paths.log10) : `10^${paths.log10.toFixed(1)}`}
              </td>
              {RULES.map((rule) => (
                <td class="number" key={rule}>
                  {rules?.[rule] && rules[rule].arriving.l1 > 0 ? percent(rules[rule].passed.l1, rules[rule].arriving.l1) : '–'}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Kernels of more places are told by their best. */
const MOST_PLACES = 49;

function Winners({ node, windows, tied, zero, kernel: [height, width], wonBy }: FieldWinners) {
  const words = `${windows} ${windows === 1 ? 'window' : 'windows'}, ${tied} tied, ${zero} zero`;
  if (height * width > MOST_PLACES) {
    const best = wonBy
      .map((won, place) => ({ won, place }))
      .sort((a, b) => b.won - a.won)
      .slice(0, 5)
      .filter(({ won }) => won > 0);
    return (
      <p>
        <strong>{node}</strong>, {words}; of {height}×{width} places won most by{' '}
        {best.map(({ won, place }) => `(${Math.floor(place / width)}, ${place % width}) ${percent(won, windows)}`).join(', ')}.
      </p>
    );
  }
  const most = Math.max(1, ...wonBy);
  return (
    <table class="places">
      <caption>
        {node}
        <span class="muted">{words}</span>
      </caption>
      <tbody>
        {Array.from({ length: height }, (_, y) => (
          <tr key={y}>
            {wonBy.slice(y * width, (y + 1) * width).map((won, x) => (
              <td
                key={x}
                class="number"
                title={`row ${y}, column ${x}: won ${won} of ${windows}`}
                style={{ '--share': `${Math.round((60 * won) / most)}%` }}
              >
                {percent(won, windows)}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
