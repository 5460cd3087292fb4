/** The benchmark: measured roofs, cases, networks, reports. */
export { compareReports, type Change } from './baseline.ts';
export { BENCH_CASES, selectCases, type BenchCase, type Direction } from './cases.ts';
export { checker, type Check } from './check.ts';
export { googlenet, heParameters, squeezenet, vgg16 } from './geometry.ts';
export { firstGradient, runNetwork, type BenchNetwork, type NetworkResult } from './networks.ts';
export { graphOf, makeProblem, planOf, type Problem } from './problem.ts';
export { makeReport, SCHEMA, toCsv, withDerived, type BenchReport, type CaseRow } from './report.ts';
export { rooflineSvg } from './roofline.ts';
export { bestRoofs, measureRoofs, peakGflops, streamGbs, type Roofs } from './roofs.ts';
export { runCase, sameBits, type CaseResult } from './run.ts';
export { timeDispatches, timesOf, type Timing } from './samples.ts';
