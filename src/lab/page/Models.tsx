/** Which network is asked. */
import { useLab } from './hooks.ts';

export function Models() {
  const { model } = useLab();
  return <p class="pill">{model ? `${model.name}, ${model.classes} classes` : 'no model yet'}</p>;
}
