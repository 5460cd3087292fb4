/** A model from files of the visitor's own: what belongs to what goes by the files' names. */
import { FormatError, InputError } from '../../errors.ts';
import { parseJson } from '../../formats/json.ts';
import { checkCard, graphJsonModel, onnxModel, type Model } from '../../models/model.ts';

/** A model, and the class names that came with it in a file of their own. */
export interface ReadFiles {
  readonly model: Model;
  readonly labels: readonly string[] | undefined;
}

/**
 * One `.onnx`, or one Graph JSON and its `.safetensors`; beside an `.onnx` its card `.json` and files that hold its numbers; beside either a
 * `.txt` with a class name a line.
 * @throws InputError, FormatError
 */
export async function readModelFiles(files: readonly File[]): Promise<ReadFiles> {
  const bytes = new Map<string, Uint8Array>();
  for (const file of files) bytes.set(file.name, await read(file));
  const named = (extension: string): string[] => [...bytes.keys()].filter((name) => name.toLowerCase().endsWith(extension));
  const [onnx, json, safetensors, txt] = ['.onnx', '.json', '.safetensors', '.txt'].map(named);
  const one = [onnx, json, safetensors, txt].every((list) => list.length <= 1);
  if (!one || onnx.length + safetensors.length !== 1 || (safetensors.length === 1 && json.length === 0)) {
    throw new InputError(
      `model: expected one file .onnx, or a Graph JSON and its .safetensors, got ${[...bytes.keys()].join(', ')}. ` +
        'A card .json and class names .txt may come along.',
    );
  }
  const labels = txt.length === 1 ? linesOf(txt[0], bytes.get(txt[0])!) : undefined;
  if (safetensors.length === 1) return { model: graphJsonModel(json[0], bytes.get(json[0])!, bytes.get(safetensors[0])!), labels };
  const card = json.length === 1 ? checkCard(parseJson(new TextDecoder().decode(bytes.get(json[0])), 'card'), json[0]) : {};
  const model = onnxModel(onnx[0], bytes.get(onnx[0])!, card, (location) => {
    const found = bytes.get(location.slice(location.lastIndexOf('/') + 1));
    if (found) return found;
    throw new InputError(`onnx: expected the file "${location}", which holds numbers of ${onnx[0]}, got none. Give both files together.`);
  });
  return { model, labels };
}

async function read(file: File): Promise<Uint8Array> {
  try {
    return new Uint8Array(await file.arrayBuffer());
  } catch (error) {
    throw new InputError(`model: expected a file that can be read, got "${file.name}" (${(error as Error).message}).`);
  }
}

function linesOf(name: string, bytes: Uint8Array): string[] {
  const lines = new TextDecoder().decode(bytes).split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  if (lines.length === 0) throw new FormatError(`labels: expected one class name a line, got an empty file "${name}".`);
  return lines;
}
