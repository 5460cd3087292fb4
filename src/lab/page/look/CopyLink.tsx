/** The view's address, to be passed on. */
import { useEffect, useState } from 'preact/hooks';
import { useLab } from '../hooks.ts';

export function CopyLink() {
  const { view } = useLab();
  const [said, say] = useState('');
  useEffect(() => say(''), [view]);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(location.href);
      const own = [view.photo, view.model].filter((name) => name.startsWith('file:')).map((name) => name.slice('file:'.length));
      say(
        own.length === 0
          ? 'copied'
          : `Copied. It names ${own.join(' and ')} but does not hold ${own.length > 1 ? 'them' : 'it'}: whoever opens it must drop the same file.`,
      );
    } catch {
      say('This browser does not let the page copy. The link is what stands in the address bar.');
    }
  };
  return (
    <span class="row">
      <span class="muted" role="status">
        {said}
      </span>
      <button type="button" class="small" onClick={() => void copy()}>
        Copy link
      </button>
    </span>
  );
}
