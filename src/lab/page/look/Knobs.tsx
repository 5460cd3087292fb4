/** How the question is put, and how its answer is drawn. */
import { COLOURS, type Colours } from '../../../image/colour.ts';
import { SCORE_KINDS } from '../../../network.ts';
import { RULE_AXES, type LayerRules, type RuleAxis } from '../../../rule.ts';
import { FORMULAE, RULE_PRESETS, type RulePreset, type RulePresetName } from '../../../rulePresets.ts';
import { REDUCTIONS, type Reduce } from '../../../visualise/reduce.ts';
import { DEFAULT_VIEW, usualColours, type View } from '../../view.ts';
import { useAnswer, useLab, useStore } from '../hooks.ts';
import { Choice } from '../parts.tsx';
import { LayerRulesKnob } from './LayerRules.tsx';
import { AXIS_WORDS, REDUCE_WORDS, SCORE_WORDS } from './words.ts';

const AXES = Object.keys(RULE_AXES) as RuleAxis[];
const PRESETS = Object.keys(RULE_PRESETS) as RulePresetName[];

/** What "Back to defaults" brings back. */
const DEFAULTS = (({ score, views, rules, at, reduce, clip, colours, show, scale }: View) => ({
  ...{ score, views, rules, at, reduce, clip, colours, show, scale },
}))(DEFAULT_VIEW);

export function Knobs({ problem }: { problem: string | null }) {
  const lab = useStore();
  const { view, model } = useLab();
  const { score, views, reduce, clip, colours } = view;
  const layers = useAnswer('ruledLayers', model ? {} : null).answer;
  return (
    <div class="turned">
      <fieldset class="rules">
        <legend>Rules on the way down</legend>
        <Preset />
        {AXES.map((axis) => (
          <Axis key={axis} axis={axis} absent={layers !== null && !layers.some((layer) => layer.axes.includes(axis))} />
        ))}
        <LayerRulesKnob layers={layers ?? []} problem={problem} />
      </fieldset>
      <fieldset>
        <legend>Question</legend>
        <div class="knobs">
          <Choice
            name="differentiate"
            value={score}
            options={SCORE_KINDS}
            words={SCORE_WORDS}
            onChange={(value) => lab.view({ score: value })}
          />
          <Choice
            name="views"
            value={String(views) as '1' | '10'}
            options={['1', '10'] as const}
            words={{ 1: 'one', 10: 'ten, averaged' }}
            onChange={(value) => lab.view({ views: value === '10' ? 10 : 1 })}
          />
        </div>
      </fieldset>
      <fieldset>
        <legend>Drawing</legend>
        <div class="knobs">
          <Choice
            name="over channels"
            value={reduce}
            options={REDUCTIONS}
            words={REDUCE_WORDS}
            onChange={(value) => lab.view({ reduce: value, colours: coloursFor(value, reduce, colours) })}
          />
          <Choice
            name="colours"
            value={colours}
            options={COLOURS.filter((one) => reduce === 'signed' || one !== 'rdbu')}
            onChange={(value) => lab.view({ colours: value })}
          />
          <Clip value={clip} onChange={(value) => lab.view({ clip: value })} />
        </div>
      </fieldset>
      <button type="button" onClick={() => lab.view(DEFAULTS)}>
        Back to defaults
      </button>
    </div>
  );
}

/** Colours that were chosen stay, where the map can have them. */
const coloursFor = (next: Reduce, before: Reduce, colours: Colours): Colours =>
  colours === usualColours(before) || (colours === 'rdbu' && next !== 'signed') ? usualColours(next) : colours;

/** Rules by the name of a tool or a paper. */
function Preset() {
  const lab = useStore();
  const { view } = useLab();
  const named = PRESETS.find((name) => AXES.every((axis) => RULE_PRESETS[name].rules[axis] === view.rules[axis]));
  const preset: RulePreset | null = named ? RULE_PRESETS[named] : null;
  return (
    <div class="preset">
      <label class="knob">
        <span>as in</span>
        <select
          value={named ?? ''}
          onChange={(event) => {
            const name = event.currentTarget.value as RulePresetName | '';
            if (name !== '') lab.view({ rules: RULE_PRESETS[name].rules });
          }}
        >
          {!named && <option value="">none of these</option>}
          {PRESETS.map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </label>
      {preset && <p class="muted">{preset.summary}</p>}
    </div>
  );
}

function Axis<A extends RuleAxis>({ axis, absent }: { axis: A; absent: boolean }) {
  const lab = useStore();
  const { view } = useLab();
  const value = view.rules[axis];
  return (
    <div class="axis">
      <Choice
        name={AXIS_WORDS[axis]}
        value={value as string}
        options={RULE_AXES[axis] as readonly string[]}
        onChange={(rule) => lab.view({ rules: { ...view.rules, [axis]: rule } as LayerRules })}
      />
      <p class="muted">{absent ? 'this network has none' : (FORMULAE[axis] as Record<string, string>)[value]}</p>
    </div>
  );
}

/** The percentile at which colours end. */
function Clip({ value, onChange }: { value: number; onChange: (value: number) => void }) {
  return (
    <label class="knob">
      <span>colours end at percentile</span>
      <input
        type="number"
        min={0.1}
        max={100}
        step={0.1}
        value={value}
        onChange={(event) => {
          const next = event.currentTarget.valueAsNumber;
          if (next > 0 && next <= 100) onChange(next);
          else event.currentTarget.value = String(value);
        }}
      />
    </label>
  );
}
