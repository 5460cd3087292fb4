/**
 * Annotations of ILSVRC (those of PASCAL VOC have the same form): an XML file for each image, with size, objects and bounding boxes.
 */
import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { FormatError } from '../errors.ts';
import { annotatedBox, type Annotation, type Classes } from './annotation.ts';

/** Values stay text: "500" becomes a number here, where a wrong one can be named. Entities are left alone, so that none can grow. */
const parser = new XMLParser({
  ignoreAttributes: true,
  parseTagValue: false,
  processEntities: false,
  isArray: (name: string) => name === 'object',
});

/**
 * The class and the boxes of one image. The image is called by its file's name, `stem`, without an extension: many of the files do not
 * say it.
 * @param file name of the XML file, for messages
 * @param classes finds the class of a WordNet id
 * @throws FormatError if the file is not XML of this form, holds no object, or objects of several classes
 */
export function parseIlsvrc(text: string, file: string, stem: string, classes: Classes): Annotation {
  const valid = XMLValidator.validate(text);
  if (valid !== true)
    throw new FormatError(`${file}:${valid.err.line}: expected an XML annotation, got: ${valid.err.msg} Copy the file again.`);
  const root = field(parser.parse(text), 'annotation');
  const extent = [pixels(field(root, 'size'), 'height', `${file}: size`), pixels(field(root, 'size'), 'width', `${file}: size`)] as const;
  if (!extent.every((length) => Number.isSafeInteger(length) && length > 0))
    throw new FormatError(`${file}: size: expected whole extents of at least 1, got ${extent[1]} x ${extent[0]}. Mend the file.`);
  const objects = field(root, 'object');
  if (!Array.isArray(objects) || objects.length === 0)
    throw new FormatError(`${file}: expected at least one <object> in <annotation>, got none. Leave out images without a box.`);
  const names = [...new Set(objects.map((object) => field(object, 'name')))];
  const [name] = names;
  if (names.length > 1 || typeof name !== 'string' || name === '') {
    throw new FormatError(
      `${file}: expected objects of one class, named by its WordNet id, got ${names.map((n) => JSON.stringify(n ?? null)).join(', ')}.` +
        ' Give annotations of the classification and localisation task.',
    );
  }
  const boxes = objects.map((object, k) => {
    const where = `${file}: object ${k + 1}`;
    const [x0, y0, x1, y1] = ['xmin', 'ymin', 'xmax', 'ymax'].map((side) => pixels(field(object, 'bndbox'), side, where));
    return annotatedBox({ x0, y0, x1, y1 }, extent, where);
  });
  return { image: stem, class: classes(name, file), extent, boxes };
}

function field(node: unknown, name: string): unknown {
  return typeof node === 'object' && node !== null ? (node as Record<string, unknown>)[name] : undefined;
}

function pixels(node: unknown, name: string, where: string): number {
  const text = field(node, name);
  if (typeof text !== 'string' || !/^[-+]?\d+(\.\d+)?$/.test(text))
    throw new FormatError(`${where}: expected a number of pixels in <${name}>, got ${JSON.stringify(text ?? null)}. Mend the file.`);
  return Number(text);
}
