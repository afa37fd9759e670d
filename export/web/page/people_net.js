/**
 * A boxless net in the browser: everybody in a picture, without boxes. Pictures lie in
 * the net's input as `Placement.into` of tfpose/logocap/picture.py puts them.
 */
import {Net} from './net.js';
import {cropPixels} from './pose_net.js';

const FINDING = 'find_people';
const DRAWING = 'draw_heatmaps';
const READING = 'read_heatmaps';

/** All of a box [x, y, w, h] in the middle of the input, as large as it fits. */
export function fitMatrix([x, y, w, h], [height, width]) {
  const scale = Math.min(height / h, width / w);
  const middle = [x + Math.floor(w / 2 + 0.5), y + Math.floor(h / 2 + 0.5)];
  return {
    sx: scale,
    sy: scale,
    tx: width / 2 - scale * middle[0],
    ty: height / 2 - scale * middle[1],
  };
}

/**
 * Of people {keypoints: [[x, y], ...], score} who lie on each other the best: those of
 * whom more than a `share` of the joints is nearer than a `distance` of the diagonal.
 * As tfpose/logocap/suppression.py does it.
 */
export function suppress(people, {distance, share}) {
  const kept = [];
  const gone = new Set();
  people.forEach((person) => {
    const reach = distance * diagonal(person.keypoints);
    const heap = people.filter(({keypoints}) => {
      const near = keypoints.filter(([x, y], joint) => {
        const [ownX, ownY] = person.keypoints[joint];
        return Math.hypot(x - ownX, y - ownY) < reach;
      });
      return near.length / keypoints.length > share + 1e-9;
    });
    if (gone.has(person) || !heap.length) return;
    const best = heap.reduce((a, b) => (b.score > a.score ? b : a));
    if (gone.has(best)) return;
    kept.push(best);
    heap.forEach((one) => gone.add(one));
  });
  return kept;
}

function diagonal(keypoints) {
  const spans = [0, 1].map((axis) => {
    const values = keypoints.map((point) => point[axis]);
    return Math.max(...values) - Math.min(...values);
  });
  return Math.hypot(...spans);
}

/** A model that finds everybody. */
export class PeopleNet extends Net {
  constructor(model, metadata) {
    super(model, metadata, [FINDING, DRAWING]);
    this.adapts = false;
  }

  /**
   * `people`, the best first, each with keypoints [[x, y], ...] in the photo's pixels,
   * their scores and the person's score; and the milliseconds that the model took, and
   * all of it. Looks into a box of the photo, which may be all of it.
   */
  async estimate(photo, box) {
    const start = performance.now();
    const matrix = fitMatrix(box, this.inputSize);
    // Shrunk without averaging, as the net was trained.
    const pixels = cropPixels(photo, matrix, this.inputSize, 'official');
    const ready = performance.now();
    const found = await this.run(pixels);
    const end = performance.now();
    const people = suppress(found, this.metadata.suppression)
      .sort((a, b) => b.score - a.score)
      .map((person) => ({
        ...person,
        keypoints: person.keypoints.map(([x, y]) => [
          (x - matrix.tx) / matrix.sx,
          (y - matrix.ty) / matrix.sy,
        ]),
      }));
    return {box, people, netTime: end - ready, wholeTime: end - start};
  }

  /**
   * Slots with a person who scores enough, {keypoints, scores, score}, input pixels, of
   * RGB bytes.
   */
  async run(pixels) {
    let results = await this.call(pixels, this.plain);
    if (this.plain === DRAWING) {
      const maps = results;
      results = await this.model.run(READING, maps);
      Object.values(maps).forEach((map) => map.delete());
    }
    const poses = await results.poses.data();
    const totals = [...(await results.scores.data())];
    Object.values(results).forEach((result) => result.delete());
    const joints = this.skeleton.joints.length;
    const people = totals.map((score, slot) => {
      const from = slot * joints * 3;
      const rows = Array.from({length: joints}, (_, joint) =>
        [...poses.slice(from + 3 * joint, from + 3 * joint + 3)]);
      return {
        keypoints: rows.map(([x, y]) => [x, y]),
        scores: rows.map(([, , value]) => value),
        score,
      };
    });
    const threshold = this.metadata.person_threshold ?? 0;
    return people.filter(({score}) => score > threshold);
  }
}
