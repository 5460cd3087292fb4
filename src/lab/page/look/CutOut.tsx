/** Where the object is: cut out of the photo by GraphCut, from what the network says of its class alone. */
import type { CutOut as Answer } from '../../worker/look.ts';
import { Export, fileName } from '../export.tsx';
import { useLab, type Asked } from '../hooks.ts';
import { Figure, nameOf, Wait } from '../parts.tsx';

const FILES = { framed: 'in its photo', object: 'cut out', mask: 'mask' } as const;

export function CutOut({ chosen, asked }: { chosen: number; asked: Asked<Answer> }) {
  const state = useLab();
  const { answer, pending, problem } = asked;
  const name = nameOf(state, chosen);
  return (
    <section class="card" aria-label="Cut-out" aria-busy={pending}>
      <header>
        <h2>Where {name} is, cut out</h2>
      </header>
      <Wait pending={pending && !answer} problem={problem}>
        cutting
      </Wait>
      {answer && (
        <>
          <div class={`figures cut ${pending ? 'fresh stale' : 'fresh'}`}>
            <Figure picture={answer.framed} label={answer.object ? 'the photo with outline and box of the object' : 'the photo, dimmed'} />
            {answer.object && (
              <div class="checker">
                <Figure picture={answer.object} label="the object alone" />
              </div>
            )}
          </div>
          <p class="muted">
            {answer.box
              ? `Box x ${answer.box.x0} to ${answer.box.x1}, y ${answer.box.y0} to ${answer.box.y1}; ${Math.round(100 * answer.share)} % of the photo. `
              : `Nothing was found: ${answer.reason}. `}
            GraphCut with the recipe {answer.preset}, on the map that it is made for, whatever the knobs say; the network was never told
            where anything is.
          </p>
          {answer.box && (
            <div class="row" role="group" aria-label="Files">
              {(Object.keys(FILES) as (keyof typeof FILES)[]).map((what) => (
                <Export
                  key={what}
                  file={fileName(state, [name, FILES[what]], 'png')}
                  bytes={({ client }) => client.call('exportCutOut', { class: chosen, what, address: location.href })}
                >
                  {FILES[what]} PNG
                </Export>
              ))}
            </div>
          )}
        </>
      )}
    </section>
  );
}
