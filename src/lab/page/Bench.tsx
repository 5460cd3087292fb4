export function Bench() {
  return <section class="card" aria-label="Bench" />;
}
