/** What is looked at: the photo, and the classes that the network finds in it. */
import { useLab, useStore } from './hooks.ts';
import { Classes } from './look/Classes.tsx';
import { Drop } from './look/Drop.tsx';
import { Figure, FileButton } from './parts.tsx';
import { SAMPLES } from './samples.ts';

export function Subject() {
  const lab = useStore();
  const { photo, view } = useLab();
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
          <FileButton label="a photo of your own" accept="image/*" onFiles={(files) => void lab.openFiles(files)} />
        </div>
        <p class="muted">Or drop or paste a picture anywhere on the page. It stays on your machine.</p>
      </section>
      <Classes />
    </aside>
  );
}
