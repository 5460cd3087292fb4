/** Small parts that every panel uses. */
import type { ComponentChildren } from 'preact';
import { useRef } from 'preact/hooks';
import type { Picture } from '../../image/picture.ts';
import { shortClassName } from '../../models/labels.ts';
import { usePicture } from './hooks.ts';
import type { LabState } from './store.ts';

/** A picture with its caption; `label` says to those who do not see it what it shows. */
export function Figure(props: { picture: Picture | null; label: string; children?: ComponentChildren; sharp?: boolean }) {
  const canvas = usePicture(props.picture);
  return (
    <figure class="figure">
      <canvas ref={canvas} role="img" aria-label={props.label} class={props.sharp ? 'sharp' : ''} />
      {props.children && <figcaption>{props.children}</figcaption>}
    </figure>
  );
}

/** A button that asks for files of the visitor's own; `label` is the name of what lies behind it. */
export function FileButton(props: { label: string; accept: string; multiple?: boolean; onFiles: (files: readonly File[]) => void }) {
  const picker = useRef<HTMLInputElement>(null);
  return (
    <>
      <button type="button" onClick={() => picker.current!.click()}>
        a file
      </button>
      <input
        ref={picker}
        class="visually-hidden"
        type="file"
        multiple={props.multiple}
        accept={props.accept}
        aria-label={props.label}
        tabIndex={-1}
        onChange={(event) => {
          const files = [...(event.currentTarget.files ?? [])];
          // So that the same file can be taken again.
          event.currentTarget.value = '';
          if (files.length > 0) props.onFiles(files);
        }}
      />
    </>
  );
}

/** The head of a table's column; of numbers, which stand at its right. */
export function Column(props: { number?: boolean; children: ComponentChildren }) {
  return (
    <th scope="col" class={props.number ? 'number' : ''}>
      {props.children}
    </th>
  );
}

/** A labelled choice. */
export function Choice<T extends string>(props: {
  name: string;
  value: T;
  options: readonly T[];
  onChange: (value: T) => void;
  words?: Partial<Record<T, string>>;
}) {
  return (
    <label class="knob">
      <span>{props.name}</span>
      <select value={props.value} onChange={(event) => props.onChange(event.currentTarget.value as T)}>
        {props.options.map((option) => (
          <option key={option} value={option}>
            {props.words?.[option] ?? option}
          </option>
        ))}
      </select>
    </label>
  );
}

export function Wait(props: { pending: boolean; problem: string | null; children?: ComponentChildren }) {
  if (props.problem)
    return (
      <p class="problem" role="alert">
        {props.problem}
      </p>
    );
  return props.pending ? (
    <p class="waiting" role="status">
      {props.children ?? 'computing'}
    </p>
  ) : null;
}

/** What a class is called. */
export const nameOf = ({ model }: LabState, k: number): string => shortClassName(model?.labels ?? undefined, k);

export const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(bytes < 10e6 ? 1 : 0)} MB`;
