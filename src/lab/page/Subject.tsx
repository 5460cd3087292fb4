/** What is looked at: the photo, and the classes that the network finds in it. */
import { useRef } from 'preact/hooks';
import { useLab, useStore } from './hooks.ts';
import { Classes } from './look/Classes.tsx';
import { Drop } from './look/Drop.tsx';
import { Figure } from './parts.tsx';
import { SAMPLES } from './samples.ts';

export function Subject() {
  const lab = useStore();
  const { photo, view } = useLab();
  const picker = useRef<HTMLInputElement>(null);
  const sample = SAMPLES.find(({ name }) => name === photo?.name);
  return (
    <aside class="subject" aria-label="What is looked at">
      <Drop />
      <section class="card" aria-label="Photo">
        <Figure picture={photo?.picture ?? null} label="the photo">
          {photo && `${sample?.credit ?? photo.name.replace(/^file:/, '')}, ${photo.width} × ${photo.height} pixels`}
        </Figure>
        <div class="row">
          {SAMPLES.map(({ name, title }) => (
            <button key={name} type="button" aria-pressed={view.photo === name} onClick={() => void lab.openSample(name)}>
              {title}
            </button>
          ))}
          <button type="button" onClick={() => picker.current!.click()}>
            a file
          </button>
          <input
            ref={picker}
            class="visually-hidden"
            type="file"
            accept="image/*"
            aria-label="a photo of your own"
            tabIndex={-1}
            onChange={(event) => {
              const file = event.currentTarget.files?.[0];
              if (file) void lab.openFiles([file]);
              // So that the same file can be taken again.
              event.currentTarget.value = '';
            }}
          />
        </div>
        <p class="muted">Or drop or paste a picture anywhere on the page. It stays on your machine.</p>
      </section>
      <Classes />
    </aside>
  );
}
