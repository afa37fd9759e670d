/**
 * An exported pose net in the browser: LiteRT.js, and the way from a person's box in a
 * photo to the net's input and back. The alignment is that of tfpose/top_down/crop.py;
 * pixel centres are at integer coordinates, a box's x and y are edges.
 *
 * A *matrix* here is {sx, sy, tx, ty}: photo point (x, y) -> (sx x + tx, sy y + ty).
 */
import {decodeHeatmaps} from './decode.js';
import {Net} from './net.js';

const BOX_PADDING = 1.25;
const LOCATING = 'locate';
const DRAWING = 'draw_heatmaps';
const ADAPTING = 'adapt_and_locate';

/** Context and aspect of the input around a box [x, y, w, h], as a matrix. */
export function boxMatrix(box, [height, width], alignment = 'half_pixel') {
  const offset = alignment === 'official' || alignment === 'udp' ? 0 : -0.5;
  const centre = [box[0] + box[2] / 2 + offset, box[1] + box[3] / 2 + offset];
  const aspect = width / height;
  const across = Math.max(box[2], box[3] * aspect) * BOX_PADDING;
  const middle = alignment === 'official' ? 0 : -0.5;
  let sx = width / across;
  let sy = sx;
  if (alignment === 'udp') {
    sx = (width - 1) / across;
    sy = (height - 1) / (across / aspect);
  } else if (alignment === 'tokenpose') {
    sx = sy = (width - 1) / (across - 1);
  }
  return {
    sx,
    sy,
    tx: width / 2 + middle - sx * centre[0],
    ty: height / 2 + middle - sy * centre[1],
  };
}

/**
 * Pixels of the photo under the matrix: RGB bytes [height, width, 3], black outside.
 * Bilinear; in `half_pixel` alignment blocks of 2, 4 or 8 pixels are averaged before a
 * strong shrink, in the others not, as the nets were trained.
 */
export function cropPixels(photo, matrix, [height, width], alignment = 'half_pixel') {
  const scale = Math.sqrt(matrix.sx * matrix.sy);
  const wanted = alignment === 'half_pixel' ? [8, 4, 2] : [];
  const factor = wanted.find((size) => size * scale <= 1) ?? 1;
  const source = shrink(photo, factor);
  const middle = (factor - 1) / 2;
  const pixels = new Uint8Array(height * width * 3);
  for (let row = 0, at = 0; row < height; row++) {
    const y = ((row - matrix.ty) / matrix.sy - middle) / factor;
    for (let column = 0; column < width; column++, at += 3) {
      const x = ((column - matrix.tx) / matrix.sx - middle) / factor;
      sample(source, x, y, pixels, at);
    }
  }
  return pixels;
}

/** An ImageData made smaller by a whole factor; blocks over the edge repeat it. */
function shrink({data, width, height}, factor) {
  if (factor === 1) return {data, width, height};
  const small = {width: Math.ceil(width / factor), height: Math.ceil(height / factor)};
  small.data = new Uint8ClampedArray(small.width * small.height * 4);
  for (let row = 0, at = 0; row < small.height; row++) {
    for (let column = 0; column < small.width; column++, at += 4) {
      const sums = [0, 0, 0];
      for (let down = 0; down < factor; down++) {
        const y = Math.min(row * factor + down, height - 1);
        for (let across = 0; across < factor; across++) {
          const x = Math.min(column * factor + across, width - 1);
          const from = (y * width + x) * 4;
          sums[0] += data[from];
          sums[1] += data[from + 1];
          sums[2] += data[from + 2];
        }
      }
      for (let c = 0; c < 3; c++) small.data[at + c] = sums[c] / factor ** 2;
    }
  }
  return small;
}

/** Writes the bilinear mean at (x, y) to pixels[at ... at + 2]. */
function sample({data, width, height}, x, y, pixels, at) {
  const left = Math.floor(x);
  const top = Math.floor(y);
  if (left < -1 || top < -1 || left >= width || top >= height) return;
  let red = 0.5;
  let green = 0.5;
  let blue = 0.5;
  for (let down = 0; down < 2; down++) {
    const row = top + down;
    if (row < 0 || row >= height) continue;
    for (let across = 0; across < 2; across++) {
      const column = left + across;
      if (column < 0 || column >= width) continue;
      const weight = (down ? y - top : 1 - y + top) * (across ? x - left : 1 - x + left);
      const from = (row * width + column) * 4;
      red += weight * data[from];
      green += weight * data[from + 1];
      blue += weight * data[from + 2];
    }
  }
  pixels[at] = red;
  pixels[at + 1] = green;
  pixels[at + 2] = blue;
}

/** A model that finds the joints of one person in a box. */
export class PoseNet extends Net {
  constructor(model, metadata) {
    super(model, metadata, [LOCATING, DRAWING]);
    this.alignment = metadata.alignment ?? 'half_pixel';
    // One with a state goes on from picture to picture, which the page does not.
    this.adapts = model.signatures[ADAPTING]?.getInputDetails().length === 1;
  }

  /**
   * Keypoints [[x, y], ...] in the photo's pixels and scores of the person in the box,
   * with the milliseconds that the model took, and all of it with cropping. If the net
   * adapts to the photo first, `before` has what it finds without.
   */
  async estimate(photo, box, adapt = false) {
    const start = performance.now();
    const matrix = boxMatrix(box, this.inputSize, this.alignment);
    const pixels = cropPixels(photo, matrix, this.inputSize, this.alignment);
    const place = ({keypoints, scores}) => ({
      keypoints: scores.map((_, joint) => [
        (keypoints[2 * joint] - matrix.tx) / matrix.sx,
        (keypoints[2 * joint + 1] - matrix.ty) / matrix.sy,
      ]),
      scores,
    });
    const before = adapt ? place(await this.run(pixels)) : null;
    const ready = performance.now();
    const found = place(await this.run(pixels, adapt ? ADAPTING : this.plain));
    const end = performance.now();
    return {box, before, ...found, netTime: end - ready, wholeTime: end - start};
  }

  /** Flat keypoints in input pixels and scores, of RGB bytes [H, W, 3]. */
  async run(pixels, signature = this.plain) {
    const results = await this.call(pixels, signature);
    const read = async (name) => [...(await results[name].data())];
    const found = signature === DRAWING
      ? decodeHeatmaps(await results.heatmaps.data(), this.metadata)
      : {keypoints: await read('keypoints'), scores: await read('scores')};
    Object.values(results).forEach((result) => result.delete());
    return found;
  }
}
