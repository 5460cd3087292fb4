/** Rules of single layers, by name or pattern. */
import { useId, useState } from 'preact/hooks';
import { RULE_AXES, type RuleAxis } from '../../../rule.ts';
import type { RuledLayer } from '../../worker/look.ts';
import { useLab, useStore } from '../hooks.ts';
import { AXIS_WORDS } from './words.ts';

export function LayerRulesKnob({ layers, problem }: { layers: readonly RuledLayer[]; problem: string | null }) {
  const lab = useStore();
  const { view } = useLab();
  const { at } = view;
  const [layer, setLayer] = useState('');
  const [rule, setRule] = useState('');
  const id = useId();
  const axes = axesOf(layer, layers);
  const offered = rulesOf(axes).flatMap(([, rules]) => rules);
  const chosen = offered.includes(rule) ? rule : offered[0];
  return (
    <div class="layer-rules">
      {Object.entries(at).map(([pattern, value]) => (
        <div class="row" key={pattern}>
          <code>{pattern}</code>
          <RuleChoice
            label={`rule of ${pattern}`}
            value={value}
            axes={axesOf(pattern, layers)}
            onChange={(next) => lab.view({ at: { ...at, [pattern]: next } })}
          />
          <button
            type="button"
            class="small"
            aria-label={`no rule of its own for ${pattern}`}
            onClick={() => lab.view({ at: Object.fromEntries(Object.entries(at).filter(([other]) => other !== pattern)) })}
          >
            ×
          </button>
        </div>
      ))}
      <form
        class="knobs"
        onSubmit={(event) => {
          event.preventDefault();
          if (layer.trim() === '') return;
          lab.view({ at: { ...at, [layer.trim()]: chosen } });
          setLayer('');
        }}
      >
        <label class="knob">
          <span>a layer, or a pattern with * and ?</span>
          <input
            type="text"
            list={`${id}-layers`}
            value={layer}
            autoComplete="off"
            spellcheck={false}
            onInput={(event) => setLayer(event.currentTarget.value)}
          />
        </label>
        <label class="knob">
          <span>its rule</span>
          <RuleChoice value={chosen} axes={axes} onChange={setRule} />
        </label>
        <button type="submit" class="small" disabled={layer.trim() === ''}>
          Add
        </button>
        <datalist id={`${id}-layers`}>
          {layers.map(({ name, op }) => (
            <option key={name} value={name}>
              {op}
            </option>
          ))}
        </datalist>
      </form>
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
    </div>
  );
}

/** The axes that a layer has; of a pattern, all. */
const axesOf = (name: string, layers: readonly RuledLayer[]): readonly RuleAxis[] =>
  layers.find((layer) => layer.name === name.trim())?.axes ?? (Object.keys(RULE_AXES) as RuleAxis[]);

/** The rules of some axes, each name once: `gradient` speaks for the axis of the layer that has it. */
function rulesOf(axes: readonly RuleAxis[]): [string, string[]][] {
  const named = new Set<string>();
  return axes.map((axis) => {
    const rules = RULE_AXES[axis].filter((rule) => !named.has(rule));
    for (const one of rules) named.add(one);
    return [AXIS_WORDS[axis], [...rules]];
  });
}

function RuleChoice(props: { label?: string; value: string; axes: readonly RuleAxis[]; onChange: (value: string) => void }) {
  const groups = rulesOf(props.axes);
  const known = groups.some(([, rules]) => rules.includes(props.value));
  return (
    <select aria-label={props.label} value={props.value} onChange={(event) => props.onChange(event.currentTarget.value)}>
      {!known && <option value={props.value}>{props.value}</option>}
      {groups.map(([name, rules]) => (
        <optgroup key={name} label={name}>
          {rules.map((rule) => (
            <option key={rule} value={rule}>
              {rule}
            </option>
          ))}
        </optgroup>
      ))}
    </select>
  );
}
