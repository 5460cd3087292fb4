/** Which network is asked: the pill that says it, and the dialog in which another one is chosen. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { useLab, useStore } from './hooks.ts';
import { ModelTable } from './ModelTable.tsx';
import { Preprocessing } from './Preprocessing.tsx';
import { FileButton, megabytes } from './parts.tsx';

export function Models() {
  const lab = useStore();
  const { model, fetching, asks } = useLab();
  const dialog = useRef<HTMLDialogElement>(null);
  const [open, set] = useState(false);
  useEffect(() => {
    if (asks) set(true);
  }, [asks]);
  useEffect(() => {
    if (open && !dialog.current!.open) dialog.current!.showModal();
    if (!open && dialog.current!.open) dialog.current!.close();
  }, [open]);
  const close = (): void => {
    lab.models.dropQuestion();
    set(false);
  };
  /** Closes once another network is in use; what went wrong, and what is asked, is for the visitor to see first. */
  const closeAfter = (opening: Promise<void>): void => {
    const before = lab.state.model;
    void opening.then(() => lab.state.model !== before && set(false));
  };
  return (
    <>
      <button type="button" class="pill model-pill" aria-haspopup="dialog" onClick={() => set(true)}>
        <span class="visually-hidden">model: </span>
        {model ? `${model.title}, ${model.classes} classes` : 'no model yet'}
      </button>
      {fetching && !open && <Fetching />}
      <dialog ref={dialog} class="models" aria-labelledby="models-title" onClose={close}>
        <header class="row">
          <h2 id="models-title">{asks ? `How does a picture become the input of ${asks.title}?` : 'Which network'}</h2>
          <button type="button" class="small" onClick={close}>
            close
          </button>
        </header>
        {open && <Problems />}
        {asks ? <Preprocessing key={asks.title} question={asks} after={closeAfter} /> : open && <Chooser after={closeAfter} />}
      </dialog>
    </>
  );
}

/** What went wrong with a model, where the visitor looks while the dialog is open. */
function Problems() {
  const { problems } = useLab();
  const problem = problems.find(({ where }) => where === 'model');
  return problem ? (
    <p class="problem" role="alert">
      {problem.message}
    </p>
  ) : null;
}

function Chooser({ after }: { after: (opening: Promise<void>) => void }) {
  const lab = useStore();
  const { model, view } = useLab();
  return (
    <>
      <section aria-label="The network of this page">
        <div class="row">
          <button type="button" aria-pressed={view.model === 'default'} onClick={() => after(lab.openModel('default'))}>
            the network that comes with the page
          </button>
          <FileButton
            label="a model of your own"
            accept=".onnx,.json,.safetensors,.txt,.data,.bin"
            multiple
            onFiles={(files) => after(lab.openModelFile(...files))}
          />
        </div>
        <p class="muted">
          A file is an <code>.onnx</code>, with its card <code>.json</code> and class names <code>.txt</code> if it has any, or a Graph JSON
          with its <code>.safetensors</code>; several are picked or dropped together. It stays on your machine.
        </p>
      </section>
      {model && (model.unnamed || model.told) && <OfFile after={after} />}
      <Fetching />
      <ModelTable after={after} />
    </>
  );
}

/** What the visitor says of the model that is in use, because its file does not. */
function OfFile({ after }: { after: (opening: Promise<void>) => void }) {
  const lab = useStore();
  const { model, view } = useLab();
  const [editing, edit] = useState(false);
  const { title, unnamed, told, classes, input } = model!;
  return (
    <section aria-label={`Of ${title}`}>
      <h3>{title}</h3>
      {unnamed && classes === 1000 && (
        <label class="knob">
          <span>What its 1000 classes are called, which the file does not say</span>
          <select
            value={view.labels ?? ''}
            onChange={(event) => void lab.models.nameClasses(event.currentTarget.value === '' ? null : 'ilsvrc2012')}
          >
            <option value="">class 0 to class 999</option>
            <option value="ilsvrc2012">I say: as in ILSVRC 2012, in the order of its WordNet ids</option>
          </select>
        </label>
      )}
      {told && !editing && (
        <button type="button" class="small" onClick={() => edit(true)}>
          how a picture becomes its input
        </button>
      )}
      {told && editing && <Preprocessing question={{ input, open: false, problem: null }} after={after} />}
    </section>
  );
}

/** How much of a model has come, and the way to stop it. */
function Fetching() {
  const lab = useStore();
  const { fetching } = useLab();
  if (!fetching) return null;
  const { name, from, done, total } = fetching;
  const percent = total > 0 ? Math.floor((100 * done) / total) : 0;
  return (
    <div class="row fetching">
      <progress aria-label={`fetching ${name}`} max={100} value={percent} />
      <span class="number">
        {name}: {total > 0 ? `${percent} %, ${megabytes(done)} of ${megabytes(total)}` : 'asking'}
        {from && ` from ${from}`}
      </span>
      <button type="button" class="small" onClick={() => lab.models.cancelFetch()}>
        cancel
      </button>
    </div>
  );
}
