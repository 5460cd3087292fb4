/** Asks how a picture becomes a model's input, in the command line's words. Nothing is guessed: what is not said is not used. */
import { useState } from 'preact/hooks';
import type { PreprocessOptions } from '../../image/options.ts';
import type { ModelQuestion } from '../worker/models.ts';
import { useLab, useStore } from './hooks.ts';

const KINDS = {
  torchvision: 'as torchvision does: RGB, 0..1 less mean over deviation, the middle of the picture',
  caffe: 'as Caffe does: BGR, 0..255 less 104, 117, 123, the whole picture squashed',
  own: 'otherwise',
} as const;

type Kind = keyof typeof KINDS;
type Field = Exclude<keyof PreprocessOptions, 'preprocess' | 'cut'>;

export function Preprocessing(props: { question: ModelQuestion; after: (opening: Promise<void>) => void }) {
  const { input, open, problem } = props.question;
  const lab = useStore();
  const { view } = useLab();
  const before = view.preprocess;
  const [kind, setKind] = useState<Kind | null>(before && ((before.preprocess as Kind | undefined) ?? 'own'));
  const [fields, setFields] = useState<Partial<Record<Field, string>>>(before ?? {});
  const set = (field: Field, value: string): void => setFields({ ...fields, [field]: value });
  const send = (event: Event): void => {
    event.preventDefault();
    const wanted: readonly Field[] = ['size', 'fit', 'resize', ...(kind === 'own' ? (['channels', 'scale', 'mean', 'std'] as const) : [])];
    const said = wanted.filter((field) => (fields[field] ?? '').trim() !== '').map((field) => [field, fields[field]!.trim()]);
    props.after(lab.models.tellPreprocess({ ...(kind === 'own' ? {} : { preprocess: kind }), ...Object.fromEntries(said) }));
  };
  const text = (field: Field, name: string, hint: string, required = false) => (
    <label class="knob">
      <span>{name}</span>
      <input
        type="text"
        size={14}
        placeholder={hint}
        required={required}
        value={fields[field] ?? ''}
        onInput={(event) => set(field, event.currentTarget.value)}
      />
    </label>
  );
  const choice = (field: Field, name: string, options: readonly (readonly [string, string])[]) => (
    <label class="knob">
      <span>{name}</span>
      <select value={fields[field] ?? ''} onChange={(event) => set(field, event.currentTarget.value)}>
        {options.map(([value, words]) => (
          <option key={value} value={value}>
            {words}
          </option>
        ))}
      </select>
    </label>
  );
  return (
    <form class="preprocessing" onSubmit={send}>
      <p class="muted">
        Its input is <code>{input}</code>, and nothing says how pictures were prepared when it was trained. Wrong numbers give wrong scores
        without an error: look where the model comes from.
      </p>
      <fieldset>
        <legend>Pictures were prepared</legend>
        {(Object.keys(KINDS) as Kind[]).map((one) => (
          <label key={one} class="row">
            <input type="radio" name="kind" required checked={kind === one} onChange={() => setKind(one)} /> {KINDS[one]}
          </label>
        ))}
      </fieldset>
      <div class="knobs">
        {kind === 'own' && (
          <>
            {choice('channels', 'channels', [
              ['', 'which?'],
              ['rgb', 'RGB'],
              ['bgr', 'BGR'],
              ['grey', 'grey'],
            ])}
            {text('scale', 'scale of 0..255', '1, or 1/255')}
            {text('mean', 'mean, by channel', '104,117,123', true)}
            {text('std', 'deviation, by channel', '1')}
          </>
        )}
        {text('size', open ? 'size' : 'size, if not the input’s', '224', open)}
        {choice('fit', 'fit', [
          ['', kind === 'own' ? 'the middle' : 'as above'],
          ['crop', 'the middle'],
          ['squash', 'squashed'],
        ])}
        {text('resize', 'shorter side before the cut', '256')}
      </div>
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <div class="row">
        <button type="submit" class="primary">
          use it so
        </button>
      </div>
    </form>
  );
}
