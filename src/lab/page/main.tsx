/** Where the page begins. */
import { render } from 'preact';
import { App } from './App.tsx';
import { LabContext, useLab, useStore } from './hooks.ts';
import { NoWebGpu } from './NoWebGpu.tsx';
import { Lab } from './store.ts';

const root = document.getElementById('lab')!;
root.textContent = '';
if (!('gpu' in navigator)) render(<NoWebGpu />, root);
else {
  const lab = new Lab(() => new Worker(new URL('worker.js', import.meta.url), { type: 'module' }));
  render(
    <LabContext.Provider value={lab}>
      <Page />
    </LabContext.Provider>,
    root,
  );
  void lab.start();
}

/** A browser may have WebGPU and no adapter for it. */
function Page() {
  const lab = useStore();
  const { noAdapter } = useLab();
  return noAdapter === null ? <App /> : <NoWebGpu problem={noAdapter} onRetry={() => void lab.reopen()} />;
}
