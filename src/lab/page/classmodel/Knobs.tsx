/** The numbers of a recipe: those that can be turned while the image forms. */
import { useState } from 'preact/hooks';
import type { ClassModelRecipe } from '../../../visualise/classmodelPresets.ts';
import type { View } from '../../view.ts';
import { useLab, useStore } from '../hooks.ts';
import { short } from './curve.ts';

type Knob = 'iterations' | 'lambda' | 'rate' | 'blur' | 'jitter';

/** Powers of ten to either side of the preset's value that the slider reaches. */
const REACH = 2;

/** @param recipe as the preset has it; what equals it is left out of the view */
export function Knobs({ recipe }: { recipe: ClassModelRecipe }) {
  const { view } = useLab();
  const lab = useStore();
  const usual: Readonly<Record<Knob, number>> = {
    iterations: recipe.iterations,
    lambda: recipe.lambda,
    rate: recipe.step,
    blur: recipe.blur.sigma,
    jitter: recipe.jitter,
  };
  const put = (name: Knob, value: number): void => lab.view({ [name]: value === usual[name] ? null : value } as Partial<View>);
  const props = (name: Knob) => ({ value: view[name] ?? usual[name], usual: usual[name], onChange: (value: number) => put(name, value) });
  return (
    <fieldset class="bend">
      <legend>Now, or while it forms</legend>
      <Turned name="lambda, weight of ‖I‖²" {...props('lambda')} low={0} />
      <Turned name={recipe.normalise ? 'step, in grey levels' : 'step'} {...props('rate')} />
      <div class="knobs">
        <Number name="iterations" {...props('iterations')} min={1} max={1e6} step={1} />
        {recipe.blur.sigma > 0 && (
          <Number name={`blur, in pixels, every ${recipe.blur.every}`} {...props('blur')} min={0} max={15} step={0.1} />
        )}
        {recipe.jitter > 0 && <Number name="jitter, in pixels" {...props('jitter')} min={0} max={1e4} step={1} />}
        <button
          type="button"
          class="small"
          disabled={(Object.keys(usual) as Knob[]).every((name) => view[name] === null)}
          onClick={() => lab.view({ iterations: null, lambda: null, rate: null, blur: null, jitter: null })}
        >
          as the preset has them
        </button>
      </div>
    </fieldset>
  );
}

interface Turning {
  readonly name: string;
  readonly value: number;
  readonly usual: number;
  readonly onChange: (value: number) => void;
}

/** A number that spans powers of ten: a slider around the usual value, and a field for any other. */
function Turned({ name, value, usual, onChange, low }: Turning & { low?: number }) {
  // Where the slider is while it is held: the image forms meanwhile, and the page is drawn again.
  const [held, hold] = useState<number | null>(null);
  const valueOf = (power: number): number => (Math.abs(power) < 1e-9 ? usual : globalThis.Number((usual * 10 ** power).toPrecision(3)));
  const at = value > 0 && usual > 0 ? Math.max(-REACH, Math.min(REACH, Math.log10(value / usual))) : -REACH;
  const shown = held === null ? value : valueOf(held);
  return (
    <div class="turned">
      <Number name={name} value={shown} usual={usual} onChange={onChange} min={low} />
      {usual > 0 && (
        <input
          type="range"
          aria-label={`${name.split(',')[0]}, from a hundredth to a hundredfold of the preset's`}
          aria-valuetext={short(shown)}
          min={-REACH}
          max={REACH}
          step={0.1}
          value={held ?? at}
          onInput={(event) => hold(event.currentTarget.valueAsNumber)}
          onChange={(event) => {
            onChange(valueOf(event.currentTarget.valueAsNumber));
            hold(null);
          }}
        />
      )}
    </div>
  );
}

/** A field; what is no number of its range is put back. */
export function Number(props: Turning & { min?: number; max?: number; step?: number }) {
  const { name, value, onChange, min, max, step } = props;
  // What is being typed, until it is done: the page may be drawn again meanwhile.
  const [draft, type] = useState<string | null>(null);
  // Presets are told in another unit, and their numbers are not round.
  const shown = globalThis.Number.isInteger(value) ? value : globalThis.Number(value.toPrecision(4));
  return (
    <label class="knob">
      <span>{name}</span>
      <input
        type="number"
        value={draft ?? shown}
        min={min}
        max={max}
        step={step ?? 'any'}
        onInput={(event) => type(event.currentTarget.value)}
        onChange={(event) => {
          const field = event.currentTarget;
          const got = field.valueAsNumber;
          if (globalThis.Number.isFinite(got) && field.checkValidity() && (min !== undefined || got > 0)) onChange(got);
          type(null);
        }}
        onBlur={() => type(null)}
      />
    </label>
  );
}
