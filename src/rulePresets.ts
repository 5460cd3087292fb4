/**
 * Points of the rule cube by name: what other tools compute, so that a difference from theirs can be traced to one line of their sources.
 */
import type { LayerRules, RuleAxis } from './rule.ts';

/** What each rule does, with x and y a layer's input and output, R the signal that arrives and d the one that leaves. */
export const FORMULAE: { readonly [A in RuleAxis]: Readonly<Record<LayerRules[A], string>> } = {
  relu: {
    gradient: 'd = R [x > 0]',
    deconvnet: 'd = R [R > 0]',
    guided: 'd = R [x > 0] [R > 0]',
    linear: 'd = R',
  },
  zero: {
    closed: '[x > 0] is 0 at x = 0',
    open: '[x > 0] is 1 at x = 0: read [x >= 0]',
  },
  maxpool: {
    switches: 'd(i) = sum of R(o) over the windows o whose first maximum, noted on the way up, is i',
    centre: 'd(i) = sum of R(o) over the windows o whose middle cell is i',
    'all-ties': 'd(i) = sum of R(o) over the windows o with x(i) = y(o)',
    'average-ties': 'd(i) = sum of R(o) / n(o) over the windows o with x(i) = y(o), n(o) the number of cells that attain y(o)',
    first: 'd(i) = sum of R(o) over the windows o whose first maximum in row-major order is i',
    last: 'd(i) = sum of R(o) over the windows o whose last maximum in row-major order is i',
  },
  lrn: {
    gradient: 'd = R s^-b - (2 a b / n) x sum over the window of R y / s, where y = x s^-b',
    identity: 'd = R',
  },
};

/** A point of the cube, and where it comes from. */
export interface RulePreset {
  readonly rules: LayerRules;
  /** In a sentence. */
  readonly summary: string;
  /** Where it is defined: a paper, or a tool and the file in its sources. */
  readonly source: string;
}

const rules = (given: Partial<LayerRules>): LayerRules => ({
  relu: 'gradient',
  zero: 'closed',
  maxpool: 'switches',
  lrn: 'gradient',
  ...given,
});

export const RULE_PRESETS = {
  caffe: {
    rules: rules({}),
    summary: 'The true gradient; a tie goes to the first maximum. PyTorch and TF.js on the CPU do the same.',
    source: 'Caffe, src/caffe/layers/pooling_layer.cpp (">") and relu_layer.cpp ("bottom_data[i] > 0")',
  },
  'captum-deconvolution': {
    rules: rules({ relu: 'deconvnet' }),
    summary: 'DeconvNet on every ReLU; pools and LRN as in the gradient.',
    source: 'Captum, captum/attr/_core/guided_backprop_deconvnet.py (F.relu of grad_output)',
  },
  'captum-guided': {
    rules: rules({ relu: 'guided' }),
    summary: 'Guided back-propagation on every ReLU; pools and LRN as in the gradient.',
    source: 'Captum, captum/attr/_core/guided_backprop_deconvnet.py (F.relu of grad_input); Springenberg et al. 2014',
  },
  'zeiler-fergus': {
    rules: rules({ relu: 'deconvnet', lrn: 'identity' }),
    summary: 'DeconvNet as published: unpooling by switches, rectification of the signal, and nothing that inverts LRN.',
    source: 'Zeiler & Fergus 2013, section 2.1; deconvnet_analysis (Mahendran & Vedaldi 2016), lrn_nobackprop',
  },
  'unpool-centre': {
    rules: rules({ relu: 'deconvnet', maxpool: 'centre', lrn: 'identity' }),
    summary: 'DeconvNet without switches: the signal of a window goes to its middle, whoever won it.',
    source: 'deconvnet_analysis (Mahendran & Vedaldi 2016, "Salient deconvolutional networks"), pool_center',
  },
  'torchray-guided': {
    rules: rules({ relu: 'guided', zero: 'open' }),
    summary: 'Guided back-propagation that also passes where x is exactly zero.',
    source: 'TorchRay, torchray/attribution/guided_backprop.py (zeroes where x < 0, then clamps)',
  },
  'cuda-convnet': {
    rules: rules({ maxpool: 'all-ties' }),
    summary: 'The gradient, but every tied maximum receives the whole signal: what AlexNet was trained with.',
    source: 'cuda-convnet2, cudaconv3/src/conv_util.cu (kLocalMaxUndo)',
  },
  'tfjs-webgpu': {
    rules: rules({ maxpool: 'last' }),
    summary: 'The gradient, but a tie goes to the last maximum.',
    source: 'TF.js, tfjs-backend-webgpu/src/pool_webgpu.ts (">=")',
  },
  'jax-js': {
    rules: rules({ maxpool: 'average-ties' }),
    summary: 'The gradient, but tied maxima share the signal in equal parts.',
    source: 'jax-js, src/frontend/jvp.ts',
  },
} as const satisfies Readonly<Record<string, RulePreset>>;

export type RulePresetName = keyof typeof RULE_PRESETS;

export function isRulePreset(name: string): name is RulePresetName {
  return Object.hasOwn(RULE_PRESETS, name);
}
