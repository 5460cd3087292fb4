/** How fast the kernels are on this very device, and how fast it would let them be. */
import { useState } from 'preact/hooks';
import { BENCH_SETS } from '../view.ts';
import { Roofline } from './bench/Roofline.tsx';
import { CaseTable, RoofTable } from './bench/tables.tsx';
import { useBench, type FollowedBench } from './bench/useBench.ts';
import { clockInWords } from './bench/words.ts';
import { download } from './export.tsx';
import { useAnswer, useLab, useStore } from './hooks.ts';
import { Choice } from './parts.tsx';

type Bench = ReturnType<typeof useBench>;

export function Bench() {
  const lab = useStore();
  const { view, adapter } = useLab();
  const question = { bench: view.bench, cases: view.cases };
  const bench = useBench(question);
  const { state, problem } = bench;
  const planned = useAnswer('benchCases', adapter ? question : null);
  const wrong = problem ?? planned.problem;
  return (
    <>
      <section class="card bench" aria-label="Bench">
        <header>
          <h2>Every kernel on this device</h2>
          <p class="muted">Each result is checked against f64 before its time is taken. Nothing is sent anywhere.</p>
        </header>
        <div class="knobs">
          <Choice
            name="cases"
            value={view.bench}
            options={BENCH_SETS}
            words={{ quick: 'quick: one of each kind', full: 'full: all that suit this device' }}
            onChange={(value) => lab.view({ bench: value })}
          />
          <Pattern value={view.cases} onChange={(cases) => lab.view({ cases })} />
        </div>
        <div class="row">
          <Buttons bench={bench} ready={planned.answer !== null} />
          <p class="muted" role="status">
            {inWords(bench, planned.answer?.length ?? null)}
          </p>
        </div>
        <Progress bench={bench} />
        {wrong && (
          <p class="problem" role="alert">
            {wrong}
          </p>
        )}
        {state && (
          <p class="clock" data-quantum={state.clock.quantumMs}>
            <strong>What browsers quantise.</strong> {clockInWords(state.clock)}
          </p>
        )}
        {state?.result && <Downloads result={state.result} />}
      </section>
      {state && (
        <section class="card bench" aria-label="Roofline">
          <header>
            <h2>Roofline</h2>
          </header>
          <Roofline frame={state.frame} />
        </section>
      )}
      {state && (
        <section class="card bench measured" aria-label="What was measured">
          {state.rows.length > 0 && <CaseTable rows={state.rows} />}
          <RoofTable roofs={state.roofs} />
        </section>
      )}
    </>
  );
}

function Pattern({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  // What is being typed, until it is done: the page may be drawn again meanwhile.
  const [draft, type] = useState<string | null>(null);
  return (
    <label class="knob">
      <span>only those with this in their name</span>
      <input
        type="search"
        value={draft ?? value}
        placeholder="such as conv3x3 or */dx/*"
        onInput={(event) => type(event.currentTarget.value)}
        onChange={(event) => {
          onChange(event.currentTarget.value.trim());
          type(null);
        }}
      />
    </label>
  );
}

function Buttons({ bench: { status, state, start, goOn, finish, pause }, ready }: { bench: Bench; ready: boolean }) {
  if (status === 'roofs' || status === 'running' || status === 'halting')
    return (
      <button type="button" class="primary" onClick={pause} disabled={status === 'halting'}>
        Stop
      </button>
    );
  const halted = status === 'halted';
  return (
    <>
      {halted && (
        <>
          <button type="button" class="primary" onClick={goOn}>
            Go on
          </button>
          {state!.rows.length > 0 && (
            <button type="button" onClick={finish}>
              Finish with what there is
            </button>
          )}
        </>
      )}
      <button type="button" class={halted ? '' : 'primary'} onClick={start} disabled={!ready}>
        {status === 'none' ? 'Start' : 'Start anew'}
      </button>
    </>
  );
}

/** How far it is, in words that change only when something else begins. */
function inWords({ status, state }: FollowedBench, planned: number | null): string {
  const wrong = state?.rows.filter(
    ({ check, failed, repeats }) => failed !== undefined || check?.passed === false || repeats?.same === false,
  );
  switch (status) {
    case 'none':
      return planned === null ? '' : `${planned} cases.`;
    case 'roofs':
      return 'Measuring what the device can do at most.';
    case 'running':
      return 'Checking and timing.';
    case 'halting':
      return 'Stopping after this case.';
    case 'halted':
      return `Stopped after ${state!.rows.length} cases; ${state!.left.length} are left.`;
    case 'done':
      return `Done: ${state!.rows.length} cases in ${state!.result!.report.seconds} s, ${wrong!.length === 0 ? 'none' : wrong!.length} wrong.`;
    case 'ended':
      return 'Ended.';
  }
}

function Progress({ bench: { status, state, progress } }: { bench: FollowedBench }) {
  if (status === 'roofs')
    return <progress aria-label="roofs measured" {...(progress ? { value: progress.done, max: progress.total } : {})} />;
  if ((status !== 'running' && status !== 'halting') || !state) return null;
  const total = state.rows.length + state.left.length;
  return (
    <div class="going">
      <progress aria-label="cases done" value={state.rows.length} max={total} />
      <p class="muted number">
        {state.rows.length + 1} of {total}: {state.left[0]}
      </p>
    </div>
  );
}

function Downloads({ result: { report, csv, svg } }: { result: NonNullable<NonNullable<FollowedBench['state']>['result']> }) {
  return (
    <div class="row">
      <button type="button" onClick={() => download('backlight-bench.json', `${JSON.stringify(report, null, 1)}\n`)}>
        Report as JSON
      </button>
      <button type="button" onClick={() => download('backlight-bench.csv', csv)}>
        Table as CSV
      </button>
      <button type="button" onClick={() => download('backlight-roofline.svg', svg)}>
        Roofline as SVG
      </button>
    </div>
  );
}
