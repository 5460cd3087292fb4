/**
 * A classifier on a device: scores, and what a seed at any neuron brings down to the input or to the parameters.
 */
import { InputError } from './errors.ts';
import { traitsOf, type Gpu } from './gpu/device.ts';
import { Executor, type QueuedResults, type QueuedRun } from './gpu/executor.ts';
import { replaceParameters } from './gpu/replace.ts';
import { ParameterStore } from './gpu/store.ts';
import { Turns } from './gpu/turns.ts';
import { typeGraph, valueInfo, type Graph, type TypedGraph } from './graph.ts';
import { compile, type CompileOptions } from './plan.ts';
import {
  completed,
  kindOf,
  LOSS_INPUT,
  LOSS_VALUE,
  POSTERIOR,
  requireScores,
  targetTensor,
  unitsOf,
  withLoss,
  withPosterior,
  type GradientOptions,
  type InputGradient,
  type ParameterGradients,
  type ScoreKind,
  type StreamAnswer,
  type StreamBatch,
  type StreamOptions,
} from './question.ts';
import { checkClass, concatenated, flatten, logOdds, seedAt } from './seeds.ts';
import { pipelined, type Asked } from './stream.ts';
import { size, type AnyTensor, type Shape, type Tensor } from './tensor.ts';

export {
  LOSS_INPUT,
  LOSS_VALUE,
  requireScores,
  SCORE_KINDS,
  withLoss,
  withPosterior,
  type GradientOptions,
  type InputGradient,
  type LayerSignal,
  type ParameterGradients,
  type ScoreKind,
  type StreamAnswer,
  type StreamBatch,
  type StreamOptions,
  type Target,
} from './question.ts';
export { argmax, logOdds, neuronIndex, posterior, ranked, seedAt, type Neuron } from './seeds.ts';

/** Plans kept ready at once unless told otherwise; each holds its own activations and signals on the device. */
const MOST_EXECUTORS = 4;

/** Runs on the device at once unless told otherwise: one that it works on, and one for it to go on with. */
const IN_FLIGHT = 2;

/** What comes when the device is done, in a wrapping that can be awaited by itself: then it is queued. */
interface Queued<T> {
  readonly results: Promise<T>;
}

/** What a forward pass left. */
interface Kept {
  /** Of the target. */
  readonly values: Tensor;
  readonly scores: Tensor | null;
  readonly inside: readonly Tensor[];
}

/** The unit of each item that is asked about, and what is differentiated there if it is not the target's own value. */
interface Seed {
  readonly units: readonly number[];
  readonly values?: readonly number[];
}

/** Of a promise that may be left behind when another fails: its own failure is heard where it is awaited. */
function heard<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

/**
 * A network with its parameters on a device. Plans are compiled when first needed and the last few are kept, one for each kind of question.
 * Calls may overlap: they are put to the device one after the other, the next one while it is still at the last. {@link stream} does that for a
 * sequence of inputs.
 */
export class Network {
  /** Least recently used first. */
  readonly #executors = new Map<string, Executor>();
  /** Turns at the device's queue. A call's results are awaited outside of its turn. */
  readonly #calls = new Turns();
  /** Runs that are queued and not done, the first one first. */
  readonly #underWay = new Set<Promise<void>>();
  readonly #store: ParameterStore;
  readonly #typed: TypedGraph;
  readonly #input: string;

  /**
   * @param graph typed for the batch and input size that will be asked for
   * @param plans how many kinds of question stay ready at once; another one takes the place of that which was asked longest ago. Default: 4
   */
  constructor(
    readonly gpu: Gpu,
    readonly graph: Graph,
    parameters: ReadonlyMap<string, AnyTensor>,
    private readonly plans = MOST_EXECUTORS,
  ) {
    this.#typed = typeGraph(graph);
    this.#store = new ParameterStore(gpu, parameters);
    const input = graph.inputs.find((spec) => (spec.dtype ?? 'f32') === 'f32');
    if (!input) throw new InputError(`graph "${graph.name}": expected an input of floats, got none.`);
    this.#input = input.name;
  }

  /** Shape of the input, [N, C, H, W] for a network on images. */
  get inputShape(): Shape {
    return valueInfo(this.#typed, this.#input).shape;
  }

  /** How many classes there are scores of. @throws InputError if the network has no scores */
  get classes(): number {
    const { shape } = valueInfo(this.#typed, requireScores(this.graph));
    return size(shape) / shape[0];
  }

  /** The executor of the last question, for reports; undefined before the first. */
  last: Executor | undefined;

  async #executor(graph: Graph | TypedGraph, key: string, options: CompileOptions): Promise<Executor> {
    const executor =
      this.#executors.get(key) ??
      (await Executor.create(this.gpu, compile(graph, { ...options, traits: traitsOf(this.gpu) }), this.#store));
    this.#executors.delete(key);
    this.#executors.set(key, executor);
    for (const [oldest, unused] of this.#executors) {
      if (this.#executors.size <= this.plans) break;
      await unused.idle();
      unused.dispose();
      this.#executors.delete(oldest);
    }
    return (this.last = executor);
  }

  /**
   * Both passes as an executor of the caller's own, for loops whose tensors stay on the device: it takes an input under the name `input`, a
   * seed of `target`'s shape (what is differentiated: the scores or the posterior), and keeps `scores`, [N, K] or [N, K, 1, 1]. To be disposed
   * of before the network.
   * @throws InputError if the network has no scores
   */
  async open(
    score: Exclude<ScoreKind, 'logodds'> = 'scores',
  ): Promise<{ executor: Executor; input: string; target: string; scores: string }> {
    const scores = requireScores(this.graph);
    const target = targetTensor(this.graph, { score });
    const graph = score === 'posterior' ? withPosterior(this.graph) : this.graph;
    const plan = compile(graph, { keep: [...new Set([target, scores])], target, wrt: [this.#input], traits: traitsOf(this.gpu) });
    return { executor: await Executor.create(this.gpu, plan, this.#store), input: this.#input, target, scores };
  }

  /**
   * Replaces parameters by others of their shapes, where they lie: plans stay ready, and only what was packed of these parameters is packed again.
   * Questions asked from now on get the bits that a network made with these parameters gives.
   * @param parameters some or all, by name; kept, and not to be written to
   * @throws InputError, with nothing changed, if there is no parameter of a name, or it has another shape or type
   */
  setParameters(parameters: ReadonlyMap<string, AnyTensor>): Promise<void> {
    return this.#calls.take(() => replaceParameters(this.gpu, this.#store, parameters));
  }

  /** Values of the forward pass by name; default: the unnormalised scores. */
  async forward(x: Tensor, tensors: readonly string[] = [requireScores(this.graph)]): Promise<Map<string, AnyTensor>> {
    return (await this.#calls.take(() => this.#forward(x, tensors, IN_FLIGHT))).results;
  }

  async #forward(x: Tensor, tensors: readonly string[], most: number): Promise<Queued<Map<string, AnyTensor>>> {
    const executor = await this.#executor(this.#typed, `forward ${JSON.stringify(tensors)}`, { keep: tensors });
    const inputs = { [this.#input]: x };
    if (tensors.length === 1) {
      const { results } = await this.#queue(executor, { inputs, values: tensors }, most);
      return { results: results.then(({ values }) => new Map([[tensors[0], values[0]]])) };
    }
    // Many, perhaps all: read one by one, so that there need not be room for them together.
    await executor.forward(inputs);
    const values = new Map<string, AnyTensor>();
    for (const name of tensors) values.set(name, await executor.read(name));
    return { results: Promise.resolve(values) };
  }

  /** Queues a run as soon as fewer than `most` are under way. */
  async #queue(executor: Executor, run: QueuedRun, most: number): Promise<Queued<QueuedResults>> {
    while (this.#underWay.size >= most) await [...this.#underWay][0];
    const { results } = await executor.queue(run);
    const over = (): void => void this.#underWay.delete(done);
    const done: Promise<void> = results.then(over, over);
    this.#underWay.add(done);
    return { results };
  }

  /** Unnormalised scores [N, K]: the input of the softmax. */
  async scores(x: Tensor): Promise<Tensor> {
    return (await this.#calls.take(() => this.#scores(x, IN_FLIGHT))).results;
  }

  async #scores(x: Tensor, most: number): Promise<Queued<Tensor>> {
    const name = requireScores(this.graph);
    const { results } = await this.#forward(x, [name], most);
    return { results: heard(results.then((values) => flatten(values.get(name) as Tensor))) };
  }

  /**
   * The signal that reaches the input from one unit of each item: `d value / d x` under the gradient rule, and its counterpart under others.
   * @param x the input, of {@link inputShape}
   * @see the paper, section 3 (saliency) and section 4 (rules)
   * @throws InputError if target, neuron or rule name something that is not there
   */
  async gradient(x: Tensor, options: GradientOptions = {}): Promise<InputGradient> {
    return (await this.gradients(x, [options]))[0];
  }

  /**
   * Several gradients of one input from one forward pass. All must ask for the same tensor (scores, posterior or one neuron's tensor), rule
   * and tensors on the way.
   */
  async gradients(x: Tensor, questions: readonly GradientOptions[]): Promise<InputGradient[]> {
    if (new Set(questions.map((question) => kindOf(this.graph, question))).size > 1) {
      throw new InputError(
        'gradients: expected questions about one tensor under one rule, with the same tensors on the way. Ask separately.',
      );
    }
    return questions.length === 0 ? [] : (await this.#calls.take(() => this.#gradients(x, questions, IN_FLIGHT))).results;
  }

  /**
   * Answers to a sequence of inputs, in its order, such that the device never waits: while it is at one batch, the next one is on its way to it and the
   * last one's answer on its way back. Numbers are those of {@link scores} and {@link gradients}, to the bit. At most `inFlight` runs are under way, one
   * more batch has been taken from the source, and no more is asked for until the consumer comes back; the buffers that answers are read through are
   * made for the first few and stay with the network.
   *
   * A failure, of the source or of the device, is thrown in its place, behind all answers before it. However the stream ends, `break` included, its runs
   * are done by then and the source is closed.
   *
   *     for await (const { batch, scores } of network.stream(photos)) ...
   *
   * @param batches inputs of {@link inputShape}, or objects with one as `x`; not to be written to until their answer has come
   * @throws InputError as {@link gradients} does
   */
  stream<B extends StreamBatch>(batches: Iterable<B> | AsyncIterable<B>, options: StreamOptions<B> = {}): AsyncGenerator<StreamAnswer<B>> {
    const { questions = [], inFlight = IN_FLIGHT } = options;
    if (!Number.isInteger(inFlight) || inFlight < 1) throw new InputError(`stream: expected inFlight to be at least 1, got ${inFlight}.`);
    const ask = (batch: B): Asked<Omit<StreamAnswer<B>, 'batch'>> => {
      const begun = this.#calls.take(async () => {
        const asked = typeof questions === 'function' ? questions(batch) : questions;
        return this.#ask('x' in batch ? batch.x : batch, asked, inFlight);
      });
      return { begun, answer: begun.then(({ results }) => results) };
    };
    return this.#stream(pipelined(batches, ask, inFlight));
  }

  async *#stream<B extends StreamBatch>(
    answers: AsyncIterable<{ batch: B; answer: Omit<StreamAnswer<B>, 'batch'> }>,
  ): AsyncGenerator<StreamAnswer<B>> {
    for await (const { batch, answer } of answers) yield { batch, ...answer };
  }

  /** Scores where there are no questions; else the gradients, a forward pass for each kind of question. */
  async #ask(x: Tensor, questions: readonly GradientOptions[], most: number): Promise<Queued<Omit<StreamAnswer<StreamBatch>, 'batch'>>> {
    if (questions.length === 0) {
      const { results } = await this.#scores(x, most);
      return { results: heard(results.then((scores) => ({ scores, gradients: [] }))) };
    }
    const kinds = questions.map((question) => kindOf(this.graph, question));
    const answers = new Array<Promise<InputGradient>>(questions.length);
    for (const kind of new Set(kinds)) {
      const own = [...kinds.keys()].filter((q) => kinds[q] === kind);
      const { results } = await this.#gradients(
        x,
        own.map((q) => questions[q]),
        most,
      );
      own.forEach((q, k) => (answers[q] = heard(results.then((all) => all[k]))));
    }
    const results = Promise.all(answers).then((gradients) => ({
      scores: gradients.find(({ scores }) => scores)?.scores ?? null,
      gradients,
    }));
    return { results: heard(results) };
  }

  /** @param questions at least one, all of one {@link kindOf} */
  async #gradients(x: Tensor, questions: readonly GradientOptions[], most: number): Promise<Queued<InputGradient[]>> {
    const [first] = questions;
    const target = targetTensor(this.graph, first);
    const rule = completed(first.rule);
    const through = first.through ?? [];
    const graph = target === POSTERIOR ? withPosterior(this.graph) : this.graph;
    const scoresName = this.graph.scores;
    const keep = [...new Set([target, ...(scoresName !== undefined && !first.neuron ? [scoresName] : []), ...through])];
    const key = `gradient ${JSON.stringify([target, keep, rule, through])}`;
    const executor = await this.#executor(graph, key, { keep, target, wrt: [this.#input], rule, signals: through });
    const seedShape = executor.plan.values[target].shape;

    const fixed = questions.map((question) => unitsOf(question, seedShape, null));
    const known = questions.length === 1 && first.score !== 'logodds' ? fixed[0] : null;
    const inputs = { [this.#input]: x };
    const signals = [this.#input, ...through];

    const answer = (
      question: GradientOptions,
      { values, scores, inside }: Kept,
      seed: Seed,
      gradients: readonly Tensor[],
    ): InputGradient => ({
      gradient: gradients[0],
      values: seed.units.map((unit, n) => seed.values?.[n] ?? values.data[(n * values.data.length) / seed.units.length + unit]),
      targets: question.neuron ? null : seed.units,
      scores,
      layers: new Map(through.map((name, k) => [name, { value: inside[k], signal: gradients[k + 1] }])),
    });
    const kept = ({ values }: QueuedResults): Kept => {
      const of = (name: string): Tensor => values[keep.indexOf(name)] as Tensor;
      return {
        values: of(target),
        scores: scoresName !== undefined && !first.neuron ? flatten(of(scoresName)) : null,
        inside: through.map(of),
      };
    };
    if (known) {
      // A seed that does not wait for the scores goes along in the same submission.
      const { results } = await this.#queue(executor, { inputs, seed: seedAt(seedShape, known), values: keep, gradients: signals }, most);
      return { results: heard(results.then((all) => [answer(first, kept(all), { units: known }, all.gradients)])) };
    }
    const up = kept(await (await this.#queue(executor, { inputs, values: keep }, most)).results);
    const answers: Promise<InputGradient>[] = [];
    for (const [i, question] of questions.entries()) {
      const units = fixed[i] ?? unitsOf(question, seedShape, up.scores)!;
      const perItem = size(seedShape) / units.length;
      const odds =
        question.score === 'logodds' && !question.neuron
          ? units.map((unit, n) => logOdds(up.values.data, n * perItem, perItem, unit))
          : null;
      const seed = odds ? { shape: seedShape, data: concatenated(odds.map(({ seed }) => seed)) } : seedAt(seedShape, units);
      const { results } = await this.#queue(executor, { seed, gradients: signals }, most);
      answers.push(
        heard(results.then(({ gradients }) => answer(question, up, { units, values: odds?.map(({ value }) => value) }, gradients))),
      );
    }
    return { results: heard(Promise.all(answers)) };
  }

  /**
   * Gradients of the mean cross-entropy with respect to every parameter, at inference (dropout is the identity).
   * @param labels a class for each item of the batch
   */
  async parameterGradients(x: Tensor, labels: readonly number[]): Promise<ParameterGradients> {
    const [batch] = valueInfo(this.#typed, requireScores(this.graph)).shape;
    if (labels.length !== batch) throw new InputError(`labels: expected ${batch}, one for each item of the batch, got ${labels.length}.`);
    for (const label of labels) checkClass(label, this.classes, 'labels');
    const wrt = this.graph.parameters.filter((p) => (p.dtype ?? 'f32') === 'f32').map((p) => p.name);
    return this.#calls.take(() => this.#lossGradients(x, labels, wrt));
  }

  async #lossGradients(x: Tensor, labels: readonly number[], wrt: readonly string[]): Promise<ParameterGradients> {
    const executor = await this.#executor(withLoss(this.graph), 'parameters', { keep: [LOSS_VALUE], target: LOSS_VALUE, wrt });
    await executor.run(
      { [this.#input]: x, [LOSS_INPUT]: { shape: [labels.length], data: Int32Array.from(labels) } },
      { shape: [], data: Float32Array.of(1) },
    );
    const gradients = new Map<string, Tensor>();
    for (const name of wrt) if (Object.hasOwn(executor.plan.gradients, name)) gradients.set(name, await executor.readGradient(name));
    return { loss: (await executor.readTensor(LOSS_VALUE)).data[0], gradients };
  }

  /** Frees everything this network holds on the device, once the calls under way are through. The device stays. */
  dispose(): Promise<void> {
    return this.#calls.take(async () => {
      for (const executor of this.#executors.values()) {
        await executor.idle();
        executor.dispose();
      }
      this.#executors.clear();
      this.#store.dispose();
    });
  }
}
