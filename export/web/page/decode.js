/**
 * Heatmaps to keypoints, for models that leave that out of their graph: what
 * tfpose/codecs/heatmap.py and tfpose/codecs/peaks.py do, with the same numbers.
 */
const LOG_FLOOR = 1e-10;
const UDP_RANGE = [1e-3, 50];
const EPSILON = 2 ** -23;

/**
 * Flat keypoints in the picture's pixels, and scores.
 *
 * @param {Float32Array} values [h, w, J], cell by cell.
 * @param {object} metadata of the model: `heatmaps`, `decoder` and `alignment`.
 */
export function decodeHeatmaps(values, {heatmaps, decoder, alignment}) {
  const [rows, columns] = heatmaps.size;
  const count = values.length / (rows * columns);
  const found = {keypoints: [], scores: []};
  for (let joint = 0; joint < count; joint++) {
    const map = Float32Array.from(
      {length: rows * columns}, (_, cell) => values[cell * count + joint],
    );
    const best = map.reduce((top, value, cell) => (value > map[top] ? cell : top), 0);
    const score = map[best];
    found.scores.push(score);
    if (!(score > 0)) {
      found.keypoints.push(...heatmaps.absent);
      continue;
    }
    const x = best % columns;
    const y = Math.floor(best / columns);
    const [dx, dy] = step({map, rows, columns, x, y, score}, heatmaps.taps, decoder,
      alignment === 'half_pixel');
    found.keypoints.push(
      (x + dx) * heatmaps.scale[0] + heatmaps.offset[0],
      (y + dy) * heatmaps.scale[1] + heatmaps.offset[1],
    );
  }
  return found;
}

/** From the highest cell to the peak, in cells. */
function step(peak, taps, decoder, own) {
  if (decoder === 'quarter') return quarterStep(peak, own ? 'own' : 'official');
  if (decoder === 'msra') return quarterStep(peak, 'mmpose');
  if (decoder === 'dark') return darkStep(peak, taps, own);
  if (decoder === 'udp') return udpStep(peak, taps);
  return [0, 0];
}

/** A quarter cell towards the higher neighbour; `border` as in peaks.py. */
function quarterStep({map, rows, columns, x, y}, border) {
  const first = border === 'own' ? 1 : 2;
  let across = x >= first && x <= columns - 2;
  let down = y >= first && y <= rows - 2;
  if (border === 'official') across = down = across && down;
  else if (border === 'mmpose') [across, down] = [across && y >= 1, down && x >= 1];
  const at = (column, row) => map[row * columns + column];
  return [
    across ? Math.sign(at(x + 1, y) - at(x - 1, y)) / 4 : 0,
    down ? Math.sign(at(x, y + 1) - at(x, y - 1)) / 4 : 0,
  ];
}

/** DARK's Newton step on the logarithm, with this project's limits or as published. */
function darkStep({map, rows, columns, x, y, score}, taps, own) {
  const clear = (border) => Math.min(x, y, columns - 1 - x, rows - 1 - y) >= border;
  if (!clear(2)) return [0, 0];
  const [blurred, highest] = blur(map, rows, columns, taps);
  const scale = score / (own ? Math.max(highest, LOG_FLOOR) : highest || 1);
  // Where the blur reaches over the border, the map itself.
  const smooth = !own || clear(taps.length >> 1);
  const log = (dx, dy) => {
    const cell = (y + dy) * columns + x + dx;
    return Math.log(Math.max(smooth ? blurred[cell] * scale : map[cell], LOG_FLOOR));
  };
  const gradient = [(log(1, 0) - log(-1, 0)) / 2, (log(0, 1) - log(0, -1)) / 2];
  const dxx = (log(2, 0) - 2 * log(0, 0) + log(-2, 0)) / 4;
  const dyy = (log(0, 2) - 2 * log(0, 0) + log(0, -2)) / 4;
  const dxy = (log(1, 1) - log(-1, 1) - log(1, -1) + log(-1, -1)) / 4;
  const determinant = dxx * dyy - dxy * dxy;
  if (!own) return newton(gradient, [dxx, dxy, dyy]);
  if (!(determinant > 1e-12 && dxx < 0)) return [0, 0];
  return newton(gradient, [dxx, dxy, dyy]).map((v) => Math.min(Math.max(v, -1), 1));
}

/** MMPose's step for UDP: neighbours one cell away, those outside as the nearest. */
function udpStep({map, rows, columns, x, y, score}, taps) {
  const [blurred, highest] = blur(map, rows, columns, taps);
  const log = (dx, dy) => {
    const row = Math.min(Math.max(y + dy, 0), rows - 1);
    const column = Math.min(Math.max(x + dx, 0), columns - 1);
    const value = (blurred[row * columns + column] * score) / (highest || 1);
    return Math.log(Math.min(Math.max(value, UDP_RANGE[0]), UDP_RANGE[1]));
  };
  const gradient = [(log(1, 0) - log(-1, 0)) / 2, (log(0, 1) - log(0, -1)) / 2];
  const dxx = log(1, 0) - 2 * log(0, 0) + log(-1, 0) + EPSILON;
  const dyy = log(0, 1) - 2 * log(0, 0) + log(0, -1) + EPSILON;
  const straight = log(1, 0) + log(0, 1) + log(-1, 0) + log(0, -1);
  const dxy = (log(1, 1) + log(-1, -1) + 2 * log(0, 0) - straight) / 2;
  return newton(gradient, [dxx, dxy, dyy]);
}

/** The map smoothed in both directions, zeros outside; and its highest value. */
function blur(map, rows, columns, taps) {
  const reach = taps.length >> 1;
  const pass = (source, length, stride, place) => source.map((_, cell) => {
    const at = place(cell);
    let sum = 0;
    for (let tap = -reach; tap <= reach; tap++) {
      if (at + tap < 0 || at + tap >= length) continue;
      sum += taps[tap + reach] * source[cell + tap * stride];
    }
    return sum;
  });
  const down = pass(map, rows, columns, (cell) => Math.floor(cell / columns));
  const blurred = pass(down, columns, 1, (cell) => cell % columns);
  return [blurred, blurred.reduce((top, value) => Math.max(top, value))];
}

/** -H^-1 g; no step without a determinant. */
function newton([dx, dy], [dxx, dxy, dyy]) {
  const divisor = dxx * dyy - dxy * dxy;
  if (!divisor) return [0, 0];
  return [(dxy * dy - dyy * dx) / divisor, (dxy * dx - dxx * dy) / divisor];
}
