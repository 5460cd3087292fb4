/** Where the page begins. */
import { render } from 'preact';
import { App } from './App.tsx';
import { LabContext } from './hooks.ts';
import { NoWebGpu } from './NoWebGpu.tsx';
import { Lab } from './store.ts';

const root = document.getElementById('lab')!;
root.textContent = '';
if (!('gpu' in navigator)) render(<NoWebGpu />, root);
else {
  const lab = new Lab(new Worker(new URL('worker.js', import.meta.url), { type: 'module' }));
  render(
    <LabContext.Provider value={lab}>
      <App />
    </LabContext.Provider>,
    root,
  );
  void lab.start();
}
