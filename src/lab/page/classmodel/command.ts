/** The command that makes the same class model without a browser. */
import type { ClassModelRecipe } from '../../../visualise/classmodelPresets.ts';
import type { AscentQuestion } from '../../worker/ascend.ts';

/**
 * @param recipe what the run goes by
 * @param usual what the preset has of it
 */
export function commandOf(
  model: string,
  { class: k, preset, seed }: AscentQuestion,
  recipe: ClassModelRecipe,
  usual: ClassModelRecipe,
): string {
  const words = ['npx backlight class-model', `--model ${model}`, `--class ${k}`];
  const put = (option: string, value: string | number, usualValue: string | number): void => {
    // The demo's recipe is the course's with other numbers, which a command has to spell out.
    if (preset === 'demo' || value !== usualValue) words.push(`--${option} ${value}`);
  };
  const published = preset === 'demo' ? 'cs231n' : preset;
  if (published !== 'paper') words.push(`--preset ${published}`);
  put('iterations', recipe.iterations, usual.iterations);
  if (recipe.lambda !== usual.lambda) words.push(`--lambda ${recipe.lambda}`);
  put('step', recipe.step, usual.step);
  put('noise', recipe.noise, usual.noise);
  put('jitter', recipe.jitter, usual.jitter);
  put('blur', recipe.blur.sigma, usual.blur.sigma);
  put('blur-every', recipe.blur.every, usual.blur.every);
  if (seed !== 0) words.push(`--seed ${seed}`);
  return [...words, `-o class-${k}.png`].join(' ');
}
