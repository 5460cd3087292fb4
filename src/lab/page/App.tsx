/** The page: what is looked at on one side, and on the other a panel for each way of looking. */
import type { ComponentType } from 'preact';
import { useRef } from 'preact/hooks';
import { formatAdapter } from '../../gpu/adapter.ts';
import { TABS, type Tab } from '../view.ts';
import { Bench } from './Bench.tsx';
import { ClassModel } from './ClassModel.tsx';
import { useLab, useStore } from './hooks.ts';
import { Layers } from './Layers.tsx';
import { Look } from './Look.tsx';
import { Models } from './Models.tsx';
import { Subject } from './Subject.tsx';
import { Theme } from './Theme.tsx';

const PANELS: Readonly<Record<Tab, readonly [string, ComponentType]>> = {
  look: ['Look', Look],
  layers: ['Layers', Layers],
  model: ['Class model', ClassModel],
  bench: ['Bench', Bench],
};

export function App() {
  const lab = useStore();
  const { view, adapter, busy, problems } = useLab();
  const [, Panel] = PANELS[view.tab];
  return (
    <>
      <header class="bar">
        <h1>
          Backlight <span>lab</span>
        </h1>
        <Models />
        <p class={busy ? 'busy' : 'busy done'} role="status">
          {busy ?? 'ready'}
        </p>
        <span class="spring" />
        <p class="pill" title={adapter ? formatAdapter(adapter) : ''}>
          {adapter ? adapter.name : 'no device yet'}
        </p>
        <Theme />
      </header>
      <div class="problems" aria-live="polite">
        {problems.map(({ where, message, action }) => (
          <p class="problem" role="alert" key={where}>
            <span>
              {message}{' '}
              {action && (
                <button type="button" class="small" onClick={action.run}>
                  {action.label}
                </button>
              )}
            </span>
            <button type="button" aria-label="dismiss" onClick={() => lab.dismiss(where)}>
              ×
            </button>
          </p>
        ))}
      </div>
      <div class="frame">
        <Subject />
        <div class="panel">
          <Tabs />
          <main>
            <div class="panel" id="panel" role="tabpanel" aria-labelledby={`tab-${view.tab}`}>
              <Panel />
            </div>
          </main>
        </div>
      </div>
    </>
  );
}

/** Left and right go from tab to tab, as the pattern for tabs has it. */
function Tabs() {
  const lab = useStore();
  const { view } = useLab();
  const list = useRef<HTMLDivElement>(null);
  const move = (event: KeyboardEvent): void => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    const tab = TABS[(TABS.indexOf(view.tab) + by + TABS.length) % TABS.length];
    lab.view({ tab });
    list.current!.querySelector<HTMLElement>(`#tab-${tab}`)!.focus();
  };
  return (
    <div class="tabs" role="tablist" aria-label="Ways of looking" ref={list} onKeyDown={move}>
      {TABS.map((tab) => (
        <button
          key={tab}
          type="button"
          role="tab"
          id={`tab-${tab}`}
          aria-selected={view.tab === tab}
          aria-controls="panel"
          tabIndex={view.tab === tab ? 0 : -1}
          onClick={() => lab.view({ tab })}
        >
          {PANELS[tab][0]}
        </button>
      ))}
    </div>
  );
}
