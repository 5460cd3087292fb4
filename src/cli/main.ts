#!/usr/bin/env node
/**
 * The command line. Exit codes: 0 done, 1 the engine failed or a check did not pass, 2 wrong usage or wrong input.
 */
import { Command, CommanderError } from 'commander';
import { InputError } from '../errors.ts';
import { VERSION } from '../version.ts';
import { CheckFailed, withCommonSettings } from './session.ts';

/** The commands by name, each loaded when it is needed: a gradient need not wait for the tables of colours. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  demo: async () => (await import('./demo.ts')).demoCommand(),
  predict: async () => (await import('./predict.ts')).predictCommand(),
  gradient: async () => (await import('./gradient.ts')).gradientCommand(),
  saliency: async () => (await import('./saliency.ts')).saliencyCommand(),
  'class-model': async () => (await import('./classmodel.ts')).classModelCommand(),
  compare: async () => (await import('./compare.ts')).compareCommand(),
  sanity: async () => (await import('./sanity.ts')).sanityCommand(),
  localise: async () => (await import('./localise.ts')).localiseCommand(),
  lab: async () => (await import('./lab.ts')).labCommand(),
  inspect: async () => (await import('./inspect.ts')).inspectCommand(),
  trace: async () => (await import('./trace.ts')).traceCommand(),
  train: async () => (await import('./train.ts')).trainCommand(),
  evaluate: async () => (await import('./evaluate.ts')).evaluateCommand(),
  models: async () => (await import('./models.ts')).modelsCommand(),
  rules: async () => (await import('./rules.ts')).rulesCommand(),
  plan: async () => (await import('./plan.ts')).planCommand(),
  gradcheck: async () => (await import('./gradcheck.ts')).gradcheckCommand(),
  certify: async () => (await import('./certify.ts')).certifyCommand(),
  verify: async () => (await import('./verify.ts')).verifyCommand(),
  bench: async () => (await import('./bench.ts')).benchCommand(),
  tune: async () => (await import('./tune.ts')).tuneCommand(),
  doctor: async () => (await import('./doctor.ts')).doctorCommand(),
};

const program = new Command('backlight')
  .description('Exact gradients of image classifiers through hand-written WebGPU kernels, with and without a GPU.')
  .version(VERSION)
  .option('--debug', 'print stack traces')
  .showSuggestionAfterError(true)
  .exitOverride()
  .configureOutput({ writeErr: () => {} });

/** Ends the process once what was printed has left it: a live device would keep it, and exit alone would cut a pipe short. */
async function leave(code: number): Promise<never> {
  for (const stream of [process.stdout, process.stderr]) {
    if (!stream.destroyed && stream.writable) await new Promise<void>((resolve) => stream.write('', () => resolve()));
  }
  process.exit(code);
}

function report(error: unknown): number {
  const debug = process.argv.includes('--debug');
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0;
    console.error(error.message.replace(/\n+/g, ' '));
    return 2;
  }
  if (error instanceof CheckFailed) return 1;
  const known = error instanceof Error ? error : new Error(String(error));
  // Names out of a damaged file may hold anything; a message stays one line, but for a shader's line and caret.
  const line = known instanceof InputError ? known.message.replace(/\s+/g, ' ') : known.message;
  console.error(debug ? known.stack : `error: ${line}`);
  return known instanceof InputError ? 2 : 1;
}

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // A reader that has seen enough, such as `head`, is no failure.
  if (error.code === 'EPIPE') process.exit(0);
  console.error(`error: expected to write to standard output, got ${error.code ?? error.message}. Free some space, or write elsewhere.`);
  process.exit(1);
});
process.on('unhandledRejection', (error) => void leave(report(error)));

try {
  const [, , first] = process.argv;
  // Help, and what is no command, need to know them all.
  const needed = first !== undefined && Object.hasOwn(COMMANDS, first) ? [first] : Object.keys(COMMANDS);
  for (const name of needed) program.addCommand(withCommonSettings(await COMMANDS[name]()));
  if (process.argv.length <= 2) {
    program.outputHelp();
    console.log('\nNew here? Run: backlight demo');
    await leave(0);
  }
  await program.parseAsync(process.argv);
  await leave(0);
} catch (error) {
  await leave(report(error));
}
