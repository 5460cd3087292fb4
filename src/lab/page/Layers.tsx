export function Layers() {
  return <section class="card" aria-label="Layers" />;
}
