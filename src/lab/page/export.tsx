/**
 * Files for the visitor: a button that fetches bytes and hands them out under a name that says what they are. Panels give it a call of the
 * worker that answers with a file's bytes, or {@link pngOf} and {@link npyOf} for what they hold themselves.
 */
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import type { Pixels, PngText } from '../../image/png.ts';
import type { AnyTensor } from '../../tensor.ts';
import { useStore } from './hooks.ts';
import type { Lab, LabState } from './store.ts';

const TYPES: Readonly<Record<string, string>> = { png: 'image/png', json: 'application/json', csv: 'text/csv', svg: 'image/svg+xml' };

/** Hands out a file. */
export function download(name: string, bytes: BlobPart): void {
  const type = TYPES[name.slice(name.lastIndexOf('.') + 1)] ?? 'application/octet-stream';
  const address = URL.createObjectURL(new Blob([bytes], { type }));
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  // The browser takes its copy after the click.
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** `mandrill-bell-pepper-saliency.png` of the photo, and of words such as a class and what is shown of it. */
export function fileName({ photo }: Pick<LabState, 'photo'>, words: readonly string[], extension: string): string {
  const name = (photo?.name ?? 'lab').replace(/^file:/, '').replace(/\.[^.]*$/, '');
  const parts = [name, ...words].map((word) =>
    word
      .normalize('NFKD')
      .replace(/\p{M}+/gu, '')
      .replace(/[^\p{L}\p{N}]+/gu, '-')
      .replace(/^-|-$/g, '')
      .toLowerCase(),
  );
  return `${parts.filter((part) => part !== '').join('-')}.${extension}`;
}

/** A picture as PNG, which says its title, the words and where it is from: engine, model, photo, preprocessing and this address. */
export const pngOf = (lab: Lab, picture: Pixels, title: string, words: PngText = {}): Promise<BlobPart> =>
  lab.client.call('encodePicture', { picture, title, words, address: location.href });

export const npyOf = (lab: Lab, tensor: AnyTensor): Promise<BlobPart> => lab.client.call('encodeTensor', { tensor });

/** A button that hands out a file. */
export function Export(props: {
  /** See {@link fileName}. */
  readonly file: string;
  readonly bytes: (lab: Lab) => Promise<BlobPart>;
  /** What the button says; its name for those who only hear it is the file's. */
  readonly children: ComponentChildren;
}) {
  const lab = useStore();
  const [busy, setBusy] = useState(false);
  const hand = async (): Promise<void> => {
    if (busy) return;
    setBusy(true);
    try {
      download(props.file, await props.bytes(lab));
    } catch (error) {
      lab.failed('engine', error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <button
      type="button"
      class="small export"
      title={props.file}
      aria-label={`save ${props.file}`}
      aria-busy={busy}
      onClick={() => void hand()}
    >
      <span aria-hidden="true">{busy ? '…' : '↓'}</span> {props.children}
    </button>
  );
}

type Bytes = (lab: Lab) => Promise<BlobPart>;

/** A picture and the numbers behind it, under one name. */
export function Files(props: {
  /** See {@link fileName}. */
  readonly of: Pick<LabState, 'photo'>;
  readonly words: readonly string[];
  readonly png?: Bytes;
  readonly npy?: Bytes;
  /** What the numbers are called. */
  readonly numbers?: string;
}) {
  const { of, words, png, npy, numbers = '.npy' } = props;
  return (
    <span class="row">
      {png && (
        <Export file={fileName(of, words, 'png')} bytes={png}>
          PNG
        </Export>
      )}
      {npy && (
        <Export file={fileName(of, words, 'npy')} bytes={npy}>
          {numbers}
        </Export>
      )}
    </span>
  );
}
