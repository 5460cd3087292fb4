/** The library's public names. */
export { openDataset, type Dataset, type DatasetOptions, type Split, type SplitInfo } from './data/dataset.ts';
export * from './errors.ts';
export { classesOf, scaleBox, type Annotation } from './evaluate/annotation.ts';
export type { Item as EvaluationItem } from './evaluate/batches.ts';
export { evaluateClassification } from './evaluate/classification.ts';
export { parseCsv } from './evaluate/csv.ts';
export { parseIlsvrc } from './evaluate/ilsvrc.ts';
export { parseTiny } from './evaluate/tiny.ts';
export { wilson, type Share } from './evaluate/interval.ts';
export { merge as mergeJournals, parseJournal, type Journal } from './evaluate/journal.ts';
export { evaluateLocalisation, type ClassMode, type LocalisationOptions } from './evaluate/localisation.ts';
export { parseMethods, type Method } from './evaluate/methods.ts';
export type { BoxRow, ClassRow } from './evaluate/rows.ts';
export { summarise, type Summary } from './evaluate/summary.ts';
export { explain, planMemory, type PlanMemory, type PlanReport, type PlanRow } from './explain.ts';
export { readGraph, readNpy, readNpyTensor, readSafetensors, importOnnx, writeGraph, writeNpy, writeSafetensors } from './formats/index.ts';
export {
  adoptDevice,
  formatAdapter,
  listAdapters,
  openDevice,
  traitsOf,
  type AdapterOptions,
  type AdapterSummary,
  type DeviceOptions,
  type Gpu,
} from './gpu/device.ts';
export { Executor, type ExecutorStats, type Sight, type Visit } from './gpu/executor.ts';
export { ParameterStore } from './gpu/store.ts';
export { DeviceTensor } from './gpu/tensor.ts';
export { typeGraph, withBatch, withInputShapes, type Graph, type GraphNode, type TypedGraph, type ValueSpec } from './graph.ts';
export { colourise, colourRange, COLOURS, type ColourOptions, type ColourRange, type Colours } from './image/colour.ts';
export { decodeImage } from './image/decode.ts';
export { cutout, dimOutside, drawBox, drawOutline, maskPicture, overlay, type OverlayOptions, type Rgb } from './image/overlay.ts';
export type { Picture } from './image/picture.ts';
export { encodePng, readPngText } from './image/png.ts';
export {
  parsePreprocess,
  preprocess,
  PRESETS,
  toPicture,
  type PictureToInput,
  type PixelSpec,
  type Preprocess,
} from './image/preprocess.ts';
export { photoRows, toPhoto } from './image/project.ts';
export { sheet, type Cell, type Row, type SheetOptions } from './image/sheet.ts';
export { channelSheet, type ChannelSheetOptions } from './inspect/channelSheet.ts';
export { EXPORT_KINDS, type ExportKind, type ExportRequest } from './inspect/choose.ts';
export { inspect, type Exported, type Inspection, type InspectOptions, type LayerInspection } from './inspect/inspect.ts';
export { trace, type Trace, type TraceLayer, type TraceOptions } from './inspect/trace.ts';
export { traceSheet, type TraceSheetOptions } from './inspect/traceSheet.ts';
export { modelLabels } from './models/card.ts';
export { fetchModel, verifyModel, type FetchOptions } from './models/fetch.ts';
export { className, findClass } from './models/labels.ts';
export { loadModel, type Model, type ModelCard } from './models/model.ts';
export { REGISTRY, type RegistryEntry } from './models/registry.ts';
export { readRegistry } from './models/registryFile.ts';
export { DEFAULT_MODEL, openModel, resolveModel } from './models/resolve.ts';
export {
  argmax,
  Network,
  posterior,
  SCORE_KINDS,
  type GradientOptions,
  type InputGradient,
  type LayerSignal,
  type Neuron,
  type ParameterGradients,
  type ScoreKind,
  type StreamAnswer,
  type StreamBatch,
  type StreamOptions,
  type Target,
} from './network.ts';
export {
  compile,
  type Choice,
  type Choices,
  type CompileOptions,
  type DeviceTraits,
  type Fusion,
  type Moment,
  type Plan,
  type Step,
} from './plan.ts';
export { openDecisions, type AmbiguityReport, type OpenDecision } from './reference/ambiguity.ts';
export { backReference, runReference } from './reference/graph.ts';
export {
  DEFAULT_RULES,
  describeRules,
  RULE_AXES,
  RULES,
  ruleSpec,
  type LayerRules,
  type Rule,
  type RuleAxis,
  type RuleSpec,
} from './rule.ts';
export { FORMULAE, RULE_PRESETS, type RulePreset, type RulePresetName } from './rulePresets.ts';
export { boxArea, iou, massBox, maskBox, type Box } from './segment/box.ts';
export { components, largestComponent } from './segment/components.ts';
export { flowNetwork, gridEdges, type Connectivity, type FlowNetwork } from './segment/flownetwork.ts';
export { graphCut, type GraphCut, type GraphCutExtras } from './segment/graphcut.ts';
export { minCut, type Cut } from './segment/maxflow.ts';
export {
  DEFAULT_PRESET,
  GRAPHCUT_PRESETS,
  graphCutOptions,
  PRESET_NAMES,
  type GraphCutOptions,
  type PresetName,
} from './segment/presets.ts';
export { thresholdBox, thresholdLevel, type Threshold, type ThresholdMethod } from './segment/threshold.ts';
export { formatShape, indexTensor, size, tensor, zeros, type AnyTensor, type IndexTensor, type Shape, type Tensor } from './tensor.ts';
export { paperNet, type PaperNetOptions } from './models/paper.ts';
export type { Augmentation } from './train/augment.ts';
export { readCheckpoint, writeCheckpoint, type Checkpoint } from './train/checkpoint.ts';
export { trainingCurve, type CurveOptions } from './train/curve.ts';
export { meanImage, ofClasses, type ImageSource } from './train/images.ts';
export { runTraining, type RunOptions } from './train/run.ts';
export { SCHEDULES, type Schedule } from './train/schedule.ts';
export { DivergenceError, Trainer, type StepReport, type TrainingRecipe, type TrainingState } from './train/trainer.ts';
export { formatMetrics, readMetrics, type MetricsRow, type TrainingRow, type ValidationRow } from './train/metrics.ts';
export { planFor, type PlanFile } from './tune/planFile.ts';
export { certify, type Certificate, type CertifyOptions } from './verify/certify.ts';
export { verify, type Verification, type VerifyOptions } from './verify/verify.ts';
export { gradcheck, type GradcheckOptions, type GradcheckReport } from './verify/gradcheck.ts';
export { compareCube, type CubeCell, type CubeComparison, type CubeOptions } from './visualise/cube.ts';
export { cubeSheet, type CubeSheetOptions } from './visualise/cubesheet.ts';
export {
  compareRules,
  spacedLayers,
  type CompareOptions,
  type ReluComparison,
  type RuleComparison,
  type SeedComparison,
} from './visualise/compare.ts';
export { mapSheet } from './visualise/draw.ts';
export {
  demonstrate,
  demoRecipe,
  look,
  perplexity,
  type Demonstration,
  type DemonstrationOptions,
  type Look,
  type RankedClass,
} from './visualise/demo.ts';
export { demoSheet, type DemoSheetOptions, type Stranger } from './visualise/demoSheet.ts';
export { alphaRows, cutoutRows, framed, maskRows } from './visualise/cutout.ts';
export { localise, type Localisation, type LocaliseOptions } from './visualise/localise.ts';
export { rankPixels } from './visualise/rank.ts';
export { classModel, type ClassModel, type ClassModelOptions, type ClassModelRow } from './visualise/classmodel.ts';
export { ClassModelRun } from './visualise/classmodelRun.ts';
export { classModelPicture, type ClassModelPicture, type Display } from './visualise/classmodelPicture.ts';
export { CLASS_MODEL_PRESETS, classModelRecipe, type ClassModelPreset, type ClassModelRecipe } from './visualise/classmodelPresets.ts';
export { REDUCTIONS, reduceChannels, type Reduce } from './visualise/reduce.ts';
export {
  saliency,
  saliencyFrames,
  type ClassChoice,
  type SaliencyFrame,
  type SaliencyMap,
  type SaliencyOptions,
} from './visualise/saliency.ts';
export { ruleSheet } from './visualise/rulesheet.ts';
export { DRAWS, drawLayer, weightLayers, type Draw, type WeightLayer } from './visualise/randomise.ts';
export { sanityChecks, type Likeness, type Sanity, type SanityOptions } from './visualise/sanity.ts';
export { sanityCurve, sanitySheet } from './visualise/sanitySheet.ts';
export { conclusions } from './visualise/sanityWords.ts';
export { spearman, ssim } from './visualise/similarity.ts';
export { averageViews, viewsOf, type View } from './visualise/views.ts';
export { VERSION } from './version.ts';
