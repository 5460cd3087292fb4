#!/usr/bin/env node
/**
 * The command line. Exit codes: 0 done, 1 the engine failed or a check did not pass, 2 wrong usage or wrong input.
 */
import { Command, CommanderError } from 'commander';
import { InputError } from '../errors.ts';
import { compareCommand } from './compare.ts';
import { classModelCommand } from './classmodel.ts';
import { doctorCommand } from './doctor.ts';
import { evaluateCommand } from './evaluate.ts';
import { gradcheckCommand } from './gradcheck.ts';
import { gradientCommand } from './gradient.ts';
import { saliencyCommand } from './saliency.ts';
import { localiseCommand } from './localise.ts';
import { CheckFailed } from './session.ts';
import { planCommand } from './plan.ts';
import { VERSION } from '../version.ts';
import { predictCommand } from './predict.ts';

const program = new Command('backlight')
  .description('Exact gradients of image classifiers through hand-written WebGPU kernels, with and without a GPU.')
  .version(VERSION)
  .option('--debug', 'print stack traces')
  .showSuggestionAfterError(true)
  .exitOverride()
  .configureOutput({ writeErr: () => {} });

for (const command of [
  predictCommand(),
  gradientCommand(),
  saliencyCommand(),
  classModelCommand(),
  compareCommand(),
  localiseCommand(),
  evaluateCommand(),
  planCommand(),
  gradcheckCommand(),
  doctorCommand(),
]) {
  program.addCommand(
    command
      .exitOverride()
      .configureOutput({ writeErr: () => {} })
      .option('--debug', 'print stack traces'),
  );
}

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
  if (process.argv.length <= 2) {
    program.outputHelp();
    await leave(0);
  }
  await program.parseAsync(process.argv);
  await leave(0);
} catch (error) {
  await leave(report(error));
}
