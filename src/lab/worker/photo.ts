/** Image files to pictures by the browser's own decoders, to the same pixels as `decodeImage` where formats leave no choice. */
import { FormatError } from '../../errors.ts';
import type { Picture } from '../../image/picture.ts';
import type { Session } from './session.ts';

export interface PhotoSummary {
  readonly name: string;
  readonly picture: Picture;
}

export function photoMethods(session: Session) {
  return {
    /** Takes a photo from the bytes of an image file. */
    async openPhoto({ name, bytes }: { readonly name: string; readonly bytes: Uint8Array<ArrayBuffer> }): Promise<PhotoSummary> {
      const picture = await decode(bytes);
      session.photo = picture;
      return { name, picture };
    },
  };
}

async function decode(bytes: Uint8Array<ArrayBuffer>): Promise<Picture> {
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(new Blob([bytes]));
  } catch (error) {
    throw new FormatError(`image: expected a picture that this browser can read, got "${(error as Error).message}".`);
  }
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true })!;
  context.fillStyle = '#ffffff';
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const rgba = context.getImageData(0, 0, width, height).data;
  const data = new Uint8Array(3 * width * height);
  for (let i = 0, p = 0; i < rgba.length; i += 4, p += 3) {
    data[p] = rgba[i];
    data[p + 1] = rgba[i + 1];
    data[p + 2] = rgba[i + 2];
  }
  return { width, height, data };
}
