/** A white picture to draw on: pictures, text, bars. */
import type { Rgb } from './overlay.ts';
import type { Picture } from './picture.ts';
import type { TextPixels } from './text.ts';

/** What is drawn must lie inside; later drawings cover earlier ones. */
export class Canvas implements Picture {
  readonly data: Uint8Array;

  constructor(
    readonly width: number,
    readonly height: number,
  ) {
    this.data = new Uint8Array(3 * width * height).fill(255);
  }

  picture(picture: Picture, x: number, y: number): void {
    for (let r = 0; r < picture.height; r++) {
      this.data.set(picture.data.subarray(3 * r * picture.width, 3 * (r + 1) * picture.width), 3 * ((y + r) * this.width + x));
    }
  }

  /** Text in a colour, or in a shade from 0 (black) to 255. */
  text(text: TextPixels, x: number, y: number, ink: number | Rgb = 0): void {
    const rgb = typeof ink === 'number' ? [ink, ink, ink] : ink;
    for (let r = 0; r < text.height; r++) {
      for (let q = 0; q < text.width; q++) {
        const cover = text.data[r * text.width + q] / 255;
        if (cover === 0) continue;
        const at = 3 * ((y + r) * this.width + x + q);
        for (let c = 0; c < 3; c++) this.data[at + c] += Math.round(cover * (rgb[c] - this.data[at + c]));
      }
    }
  }

  /** A filled rectangle. */
  fill(x: number, y: number, width: number, height: number, rgb: Rgb): void {
    for (let r = y; r < y + height; r++) {
      for (let q = x; q < x + width; q++) this.data.set(rgb, 3 * (r * this.width + q));
    }
  }
}
