/** Files dropped or pasted anywhere on the page. */
import { useEffect, useState } from 'preact/hooks';
import { useStore } from '../hooks.ts';

const holdsFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false;

export function Drop() {
  const lab = useStore();
  const [over, setOver] = useState(false);
  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;
    const take = async (files: readonly File[]): Promise<void> => {
      await lab.openFiles(files);
    };
    const enter = (event: DragEvent): void => {
      if (!holdsFiles(event)) return;
      event.preventDefault();
      event.dataTransfer!.dropEffect = 'copy';
      setOver(true);
    };
    addEventListener('dragenter', enter, { signal });
    addEventListener('dragover', enter, { signal });
    // Leaving an element for another is no leaving of the page.
    addEventListener('dragleave', (event) => event.relatedTarget === null && setOver(false), { signal });
    addEventListener(
      'drop',
      (event) => {
        setOver(false);
        if (!holdsFiles(event)) return;
        event.preventDefault();
        void take([...event.dataTransfer!.files]);
      },
      { signal },
    );
    addEventListener(
      'paste',
      (event) => {
        const files = [...(event.clipboardData?.files ?? [])];
        if (files.length === 0) return;
        event.preventDefault();
        void take(files);
      },
      { signal },
    );
    return () => controller.abort();
  }, [lab]);
  return over ? (
    <div class="drop" aria-hidden="true">
      <p>Drop it: a photo to look at, or a model as an ONNX file</p>
    </div>
  ) : null;
}
