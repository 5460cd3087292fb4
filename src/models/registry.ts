/**
 * Networks that are not shipped but can be fetched: where they lie, what their bytes must be, and how a picture becomes their input.
 */

/** One network of the registry. */
export interface RegistryEntry {
  /** What `--model` calls it; the file in the cache is `<name>.onnx`. Lower case letters, digits, `.`, `_` and `-`. */
  readonly name: string;
  /** What it is, in a line. */
  readonly what: string;
  /** Base addresses, tried in turn; `path` follows. */
  readonly sources: readonly string[];
  readonly path: string;
  /** Of the whole file, in lower case hexadecimal digits. */
  readonly sha256: string;
  readonly bytes: number;
  /** The first input's name, where it is documented. */
  readonly input?: string;
  readonly classes?: number;
  /** The fields of a card's `preprocess`; see `parsePreprocess` of the image room. */
  readonly preprocess?: Readonly<Record<string, unknown>>;
  /** Class names in the order of the scores, or the name of a list of {@link labelSet}. */
  readonly labels?: readonly string[] | 'ilsvrc2012';
  /** Published accuracy on the ILSVRC 2012 validation images, in percent. Not measured by this project. */
  readonly published?: { readonly top1: number; readonly top5: number; readonly source: string };
  readonly licence?: string;
  /** What is known about the preprocessing and from where, and what is not. */
  readonly note?: string;
}

/**
 * The ONNX Model Zoo (github.com/onnx/models, commit b1eeaa1a), large files; and the copy of the same tree in the place that the zoo's own
 * notice of that commit points to, since it ends the large files' service on 1 July 2025. Either is good: what counts is the sha256.
 */
const ZOO = [
  'https://media.githubusercontent.com/media/onnx/models/main/',
  'https://huggingface.co/onnxmodelzoo/legacy_models/resolve/main/',
] as const;

const classification = (path: string): string => `validated/vision/classification/${path}`;

/** Caffe's networks: the whole picture squashed to 224x224, BGR, 0..255 less the mean of ImageNet by channel. */
const CAFFE = {
  size: [224, 224],
  fit: 'squash',
  channels: 'bgr',
  scale: 1,
  mean: [103.939, 116.779, 123.68],
  std: [1, 1, 1],
} as const;

/** MXNet's networks: the shorter side to 256, the middle 224x224, RGB, 0..1 less mean over standard deviation. */
const MXNET = {
  size: [224, 224],
  fit: 'crop',
  resize: 256,
  channels: 'rgb',
  scale: 1 / 255,
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
} as const;

const README = "the zoo's README";

const CAFFE_NOTE =
  "The zoo's README does not say how pictures are prepared. This is what Intel Neural Compressor's example for this very file does, " +
  'which the README names as the source of its accuracy (examples/onnxrt/onnx_model_zoo, main.py).';

const MXNET_NOTE =
  "The zoo's README gives mean and deviation of RGB in 0..1; side 256 and the middle 224 are those of its imagenet_preprocess.py.";

const ilsvrc = { sources: ZOO, classes: 1000, labels: 'ilsvrc2012' } as const;

/** The built-in registry, smallest first. Sizes and sha256 are those of the repository's own large-file pointers. */
export const REGISTRY: readonly RegistryEntry[] = [
  {
    ...ilsvrc,
    name: 'squeezenet1.0',
    what: 'SqueezeNet 1.0, Caffe by way of Caffe2',
    path: classification('squeezenet/model/squeezenet1.0-12.onnx'),
    sha256: 'dec81a8684617770b3cf13fadc1d92565d1d453d23935fc6388b792d99c992bd',
    bytes: 4952956,
    preprocess: CAFFE,
    published: { top1: 56.85, top5: 79.87, source: README },
    licence: 'Apache-2.0',
    note:
      "The zoo's README describes the preprocessing of MXNet's networks for both versions, but 1.0 came from Caffe. This is what Intel " +
      "Neural Compressor's example for this very file does, to which the README refers (examples/onnxrt/onnx_model_zoo, main.py).",
  },
  {
    ...ilsvrc,
    name: 'squeezenet1.1',
    what: 'SqueezeNet 1.1, MXNet',
    path: classification('squeezenet/model/squeezenet1.1-7.onnx'),
    sha256: '1eeff551a67ae8d565ca33b572fc4b66e3ef357b0eb2863bb9ff47a918cc4088',
    bytes: 4956208,
    preprocess: MXNET,
    published: { top1: 56.34, top5: 79.12, source: README },
    licence: 'Apache-2.0',
    note: MXNET_NOTE,
  },
  {
    ...ilsvrc,
    name: 'googlenet',
    what: 'BVLC GoogLeNet, Caffe by way of Caffe2',
    path: classification('inception_and_googlenet/googlenet/model/googlenet-12.onnx'),
    sha256: 'c99c507058eaf41de8723408fdda7db8325cb57f0a89f2ee07a716d6e963e14e',
    bytes: 28021836,
    input: 'data_0',
    preprocess: CAFFE,
    published: { top1: 67.78, top5: 88.34, source: README },
    licence: 'BSD-3-Clause',
    note: "As in the zoo's README: squashed to 224x224, less 123.68, 116.779, 103.939 of R, G, B, then turned to BGR.",
  },
  {
    ...ilsvrc,
    name: 'resnet18',
    what: 'ResNet-18 v1, MXNet',
    path: classification('resnet/model/resnet18-v1-7.onnx'),
    sha256: '4e8f8653e7a2222b3904cc3fe8e304cd8b339ce1d05fd24688162f86fb6df52c',
    bytes: 46820737,
    input: 'data',
    preprocess: MXNET,
    published: { top1: 69.93, top5: 89.29, source: README },
    licence: 'Apache-2.0',
    note: "As in the zoo's README: the shorter side to 256, the middle 224, mean and deviation of RGB.",
  },
  {
    name: 'rcnn-ilsvrc13',
    what: 'R-CNN of ILSVRC13, 200 detection classes, linear scores of an AlexNet',
    sources: ZOO,
    path: classification('rcnn_ilsvrc13/model/rcnn-ilsvrc13-9.onnx'),
    sha256: '4aadb5ac806e82f89bac7dea77c838ba828dccbe5d624d8a44ebd513953571d9',
    bytes: 230753161,
    input: 'data_0',
    classes: 200,
    preprocess: CAFFE,
    licence: 'BSD-3-Clause',
    note:
      "The zoo's README says nothing about preprocessing or class names. Taken to be that of the zoo's other networks from Caffe, not " +
      'confirmed for this file. The scores are those of SVMs on warped regions, not of a softmax; the README reports a mean average ' +
      'precision of 31.4 %. The order of its classes is not documented there: pass --labels if you have it.',
  },
  {
    ...ilsvrc,
    name: 'alexnet',
    what: 'BVLC AlexNet, Caffe by way of Caffe2',
    path: classification('alexnet/model/bvlcalexnet-12.onnx'),
    sha256: '6b0da9510f27f234ee96a85dc3809dd210150fdefad87f6850f9788513216945',
    bytes: 243863787,
    input: 'data_0',
    preprocess: CAFFE,
    published: { top1: 54.8, top5: 78.23, source: README },
    licence: 'BSD-3-Clause',
    note: CAFFE_NOTE,
  },
  {
    ...ilsvrc,
    name: 'caffenet',
    what: 'BVLC CaffeNet (pooling before LRN), Caffe by way of Caffe2',
    path: classification('caffenet/model/caffenet-12.onnx'),
    sha256: 'ea563e5c47d1f58e1717cf1a2d8bf288b8adc07af0ad228b622096cd243aeecb',
    bytes: 243863798,
    input: 'data_0',
    preprocess: CAFFE,
    published: { top1: 56.27, top5: 79.52, source: README },
    licence: 'BSD-3-Clause',
    note: CAFFE_NOTE,
  },
  {
    ...ilsvrc,
    name: 'zfnet512',
    what: 'ZFNet with 512 maps in its fourth layer, Caffe2',
    path: classification('zfnet-512/model/zfnet512-12.onnx'),
    sha256: 'c975ca6a24c0a2e1584c6f82667e0ac9c06084fc7769d267f71b4a154d1f1c72',
    bytes: 349005501,
    input: 'gpu_0/data_0',
    preprocess: CAFFE,
    published: { top1: 55.97, top5: 79.41, source: README },
    licence: 'MIT',
    note: CAFFE_NOTE,
  },
  {
    ...ilsvrc,
    name: 'vgg16',
    what: 'VGG-16, MXNet',
    path: classification('vgg/model/vgg16-12.onnx'),
    sha256: '722c42f53ca03a5480296bf8f9c85a151de3eed9ec982d7d2302ff6e2900c67b',
    bytes: 553437752,
    preprocess: MXNET,
    published: { top1: 72.38, top5: 91.0, source: README },
    licence: 'Apache-2.0',
    note: MXNET_NOTE,
  },
  {
    ...ilsvrc,
    name: 'vgg19',
    what: 'VGG-19, MXNet',
    path: classification('vgg/model/vgg19-7.onnx'),
    sha256: '692f9f927f1df1b89033787a77a73eac59fd9b3344f9ecdf0b13221e41c2046f',
    bytes: 574677321,
    preprocess: MXNET,
    published: { top1: 73.72, top5: 91.58, source: README },
    licence: 'Apache-2.0',
    note: MXNET_NOTE,
  },
];

/** A list of class names that entries refer to by name. */
export async function labelSet(name: 'ilsvrc2012'): Promise<readonly string[]> {
  switch (name) {
    case 'ilsvrc2012':
      return (await import('./ilsvrc2012.ts')).ILSVRC2012;
  }
}
