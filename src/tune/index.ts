/** Tuning: the fastest kernel for every shape on one adapter, and the plan file that pins it. */
export {
  canonicalChoices,
  differenceOf,
  makePlanFile,
  parsePlanFile,
  planDevice,
  planFor,
  PLAN_SCHEMA,
  type PlanDevice,
  type PlanFile,
  type PlanShape,
} from './planFile.ts';
export { choiceOf, staticTraits } from './contender.ts';
export { casesOf, distinct } from './shapes.ts';
export { tuneCase, type Candidate, type TunedShape, type TuneOptions } from './tune.ts';
