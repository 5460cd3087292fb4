// Writes the tables of README.md that stand between `<!-- table NAME -->` and `<!-- end -->` from the reports in bench/results.
// `node bench/tables.mjs` rewrites the file; a test holds that it is up to date.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const read = (name) => JSON.parse(readFileSync(new URL(`results/${name}`, import.meta.url), 'utf8'));
const has = (name) => existsSync(new URL(`results/${name}`, import.meta.url));

const time = (ms) => (ms < 1 ? `${(1000 * ms).toPrecision(3)} us` : `${ms.toPrecision(3)} ms`);
const times = (ratio) => (ratio === undefined ? '' : ratio >= 10 ? ratio.toFixed(0) : ratio.toPrecision(2));
const percent = (share) => `${(100 * share).toFixed(0)} %`;

function markdown(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

const DIRECTIONS = { forward: 'forward', 'forward-saving': 'forward, with switches', dx: 'to the input', dw: 'to the weights' };

/** `vgg16.conv3_2, to the input, batch 32` of `conv3x3/vgg16.conv3_2/dx/b32`. */
function words(id) {
  const [kind, layer, direction, batch] = id.split('/');
  const [base, ...rule] = direction === 'forward-saving' ? [direction] : direction.split('-');
  return `${kind} ${layer}, ${[DIRECTIONS[base], ...rule].join(' ')}${batch === 'b1' ? '' : `, batch ${batch.slice(1)}`}`;
}

/** A GPU's report beside PyTorch's. */
function gpu() {
  const report = read('h100-native.json');
  const beside = new Map(read('h100-pytorch.json').rows.map(({ id, ratio }) => [id, ratio]));
  const wanted =
    /^(conv3x3\/vgg16\.conv3_2\/.*|conv1x1\/squeezenet\.conv10\/.*\/b32|linear\/vgg16\.fc6\/.*\/b1|maxpool\/vgg16\.pool2\/(forward-saving|dx)\/b32|lrn\/googlenet\.norm2\/(forward-saving|dx)\/b32|relu\/vgg16\.relu2_2\/(forward|dx-gradient)\/b32)$/;
  const cases = report.cases
    .filter(({ id, timing }) => wanted.test(id) && timing)
    .map((row) => [
      words(row.id),
      time(row.timing.device.median),
      row.flop > 0 ? `${(row.gflops / 1000).toPrecision(3)} TFLOP/s` : `${row.gbs.toFixed(0)} GB/s`,
      percent(row.share),
      times(beside.get(row.id)),
    ]);
  const networks = report.networks.flatMap((row) =>
    ['forward', 'gradient'].map((part) => [
      `${row.name}, ${part === 'forward' ? 'forward' : 'input gradient'}, batch ${row.batch}`,
      time(row[part].device.median),
      part === 'forward' ? `${(row.gflops / 1000).toPrecision(3)} TFLOP/s` : `${row.ratio.toPrecision(3)} times forward`,
      '',
      times(beside.get(`${row.name} ${part} b${row.batch}`)),
    ]),
  );
  return markdown(['', 'time', 'speed', 'of the roof', 'times as fast as PyTorch'], [...cases, ...networks]);
}

/** Other WebGPU engines on a software adapter, ratios of medians in one run: native mode, and safe mode behind it. */
function peers() {
  const [native, safe] = ['peers-software-native.json', 'peers-software-safe.json'].map((name) => (has(name) ? read(name).rows : []));
  const ids = [...new Set([...native, ...safe].map(({ id }) => id))];
  const [inNative, inSafe] = [native, safe].map((rows) => new Map(rows.map(({ id, lanes }) => [id, lanes])));
  const cell = (lanes, name) => {
    const found = lanes?.filter((lane) => lane.name.startsWith(name) && lane.ratio !== undefined).map(({ ratio }) => ratio) ?? [];
    return found.length > 0 ? times(Math.min(...found)) : '–';
  };
  const both = (values) => (values.every((text) => text === '–') ? '' : values.join(' / '));
  const row = (id) => [inNative, inSafe].map((lanes) => lanes.get(id));
  const rows = ids.map((id) => [
    id.startsWith('network/') ? id.replace('network/', '').replaceAll('/', ', ').replace(', b1', '') : words(id),
    both(row(id).map((lanes) => (lanes ? time(lanes[0].times.median) : '–'))),
    both(row(id).map((lanes) => cell(lanes, 'tfjs'))),
    both(row(id).map((lanes) => cell(lanes, 'ort-web'))),
  ]);
  return markdown(['native / safe mode', 'time', 'times as fast as TensorFlow.js', 'as ONNX Runtime'], rows);
}

const TABLES = { gpu, peers };

/** README.md with its tables as the reports have them. */
export function withTables(text) {
  return text.replace(/(<!-- table (\w+) -->\n)[^]*?(<!-- end -->)/g, (_, begin, name, end) => `${begin}\n${TABLES[name]()}\n\n${end}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const file = new URL('../README.md', import.meta.url);
  writeFileSync(file, withTables(readFileSync(file, 'utf8')));
}
