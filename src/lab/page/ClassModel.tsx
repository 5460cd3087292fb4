export function ClassModel() {
  return <section class="card" aria-label="ClassModel" />;
}
