/** The registry's models: what they are, where they lie, what they weigh. */
import { useEffect, useState } from 'preact/hooks';
import type { ListedModel, ModelList } from '../worker/models.ts';
import { useLab, useStore } from './hooks.ts';
import { Column, megabytes } from './parts.tsx';

export function ModelTable({ after }: { after: (opening: Promise<void>) => void }) {
  const lab = useStore();
  const { fetching, view } = useLab();
  const [list, set] = useState<ModelList | null>(null);
  const [problem, tell] = useState<string | null>(null);
  const [asked, ask] = useState(0);
  useEffect(() => {
    const controller = new AbortController();
    lab.client.call('listModels', {}, { signal: controller.signal }).then(set, (error: Error) => {
      if (!controller.signal.aborted) tell(error.message);
    });
    return () => controller.abort();
  }, [lab, asked, fetching === null]);
  const drop = (sha256: string): void => void lab.client.call('dropModel', { sha256 }).then(() => ask(asked + 1));
  if (problem)
    return (
      <p class="problem" role="alert">
        {problem}
      </p>
    );
  if (!list) return <p class="waiting">looking what there is</p>;
  const { models, strays, room } = list;
  return (
    <section aria-label="Networks of the registry">
      <div class="scroll">
        <table class="registry">
          <caption>Networks that others trained</caption>
          <thead>
            <tr>
              <Column>network</Column>
              <Column number>size</Column>
              <Column number>
                <abbr title="published accuracy of the best class on ILSVRC 2012, not measured here">top-1</abbr>
              </Column>
              <Column>where</Column>
              <Column>
                <span class="visually-hidden">what to do</span>
              </Column>
            </tr>
          </thead>
          <tbody>
            {models.map((model) => (
              <tr key={model.name} class={view.model === model.name ? 'chosen' : ''}>
                <th scope="row" title={model.note ?? ''}>
                  {model.name}
                  <span class="muted">
                    {' '}
                    {model.what}
                    {model.licence && `, ${model.licence}`}
                  </span>
                </th>
                <td class="number">{megabytes(model.bytes)}</td>
                <td class="number">{model.top1 === null ? '' : `${model.top1.toFixed(1)} %`}</td>
                <td class="muted">{whereIs(model)}</td>
                <td>
                  <div class="row">
                    <button
                      type="button"
                      class="small"
                      disabled={fetching !== null}
                      aria-label={`${model.place === 'away' ? 'fetch' : 'use'} ${model.name}`}
                      onClick={() => after(lab.openModel(model.name))}
                    >
                      {model.place === 'away' ? 'fetch' : 'use'}
                    </button>
                    {model.place === 'kept' && (
                      <button
                        type="button"
                        class="small"
                        aria-label={`remove ${model.name} from this browser`}
                        onClick={() => drop(model.sha256)}
                      >
                        remove
                      </button>
                    )}
                  </div>
                </td>
              </tr>
            ))}
            {strays.map(({ name, sha256, bytes }) => (
              <tr key={sha256}>
                <th scope="row">
                  {name} <span class="muted">no longer listed</span>
                </th>
                <td class="number">{megabytes(bytes)}</td>
                <td />
                <td class="muted">in this browser</td>
                <td>
                  <button type="button" class="small" aria-label={`remove ${name} from this browser`} onClick={() => drop(sha256)}>
                    remove
                  </button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p class="muted">
        Fetched once, checked against its SHA-256, and kept in this browser
        {room && ` (${megabytes(room.used)} of ${megabytes(room.most)} in use)`}. A network takes about twice its size of the page's memory
        while it is in use, and its size once more on the device. Accuracies are published ones.
      </p>
    </section>
  );
}

function whereIs({ place, host }: ListedModel): string {
  return { kept: 'in this browser', here: 'on this machine', away: host }[place];
}
