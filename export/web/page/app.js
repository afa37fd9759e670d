/** The page: a photo or the camera, a box, the skeleton drawn, the milliseconds. */
import {loadModel} from './net.js';
import {PeopleNet} from './people_net.js';
import {PoseNet} from './pose_net.js';

const COLOURS = {left: '#ff8c28', right: '#3c96ff', middle: '#6edc78'};
const NETS = {top_down_pose: PoseNet, multi_person_pose: PeopleNet};
const KEPT_TIMES = 30;
const SMALLEST_BOX = 8;

const element = (id) => document.getElementById(id);
const canvas = element('picture');
const pen = canvas.getContext('2d');

/** All that changes; also for the console and for tests. */
const state = {
  net: null,
  photo: null, // ImageData that is looked at.
  box: null, // [x, y, w, h] in its pixels; null for all of it.
  drag: null, // Box being dragged.
  pose: null, // What the net found last; some nets find several `people`.
  camera: null, // MediaStream.
  times: [],
};
globalThis.tfpose = state;

/** Shows what went wrong, in words. */
function complain(error) {
  console.error(error);
  element('problem').textContent = error.message ?? String(error);
  element('problem').hidden = false;
}

/** Runs an action whose failure the page shows. */
const guarded = (action) => async (...values) => {
  try {
    element('problem').hidden = true;
    await action(...values);
  } catch (error) {
    complain(error);
  }
};

/** Pixels of anything that a canvas can draw. */
function pixelsOf(source, width, height) {
  const hidden = new OffscreenCanvas(width, height);
  const context = hidden.getContext('2d', {willReadFrequently: true});
  context.drawImage(source, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

async function showPhoto(blob) {
  stopCamera();
  // The values in the file, as Python reads them; turned as its EXIF data say.
  const bitmap = await createImageBitmap(blob, {colorSpaceConversion: 'none'}).catch(
    () => { throw new Error('This file cannot be shown as an image.'); },
  );
  adopt(pixelsOf(bitmap, bitmap.width, bitmap.height));
  bitmap.close();
  Object.assign(state, {box: null, pose: null, times: []});
  await look();
}

/** Makes these the pixels that are looked at. In others a box means nothing. */
function adopt(photo) {
  if (photo.width !== canvas.width || photo.height !== canvas.height) {
    [canvas.width, canvas.height] = [photo.width, photo.height];
    Object.assign(state, {box: null, pose: null, times: []});
  }
  state.photo = photo;
  element('hint').hidden = true;
}

/** Looks into that box from now on; null for all of the picture. */
async function lookInto(box) {
  Object.assign(state, {box, times: []});
  // The camera's next picture comes at once.
  if (!state.camera) await look();
}

/** Estimates the pose in the photo as it is now, and draws it. */
async function look() {
  const {net, photo} = state;
  if (net && photo) {
    const box = state.box ?? [0, 0, photo.width, photo.height];
    const pose = await net.estimate(photo, box, element('adapt').checked);
    // A new photo that came meanwhile will be drawn by its own call.
    if (photo !== state.photo) return;
    state.pose = pose;
    state.times = [...state.times, [pose.netTime, pose.wholeTime]].slice(-KEPT_TIMES);
  }
  draw();
  report();
}

function draw() {
  if (!state.photo) return;
  pen.putImageData(state.photo, 0, 0);
  const unit = Math.max(canvas.width, canvas.height) / 320;
  const box = state.drag ?? state.box;
  if (box) {
    pen.setLineDash([4 * unit, 3 * unit]);
    pen.strokeStyle = '#ffffff';
    pen.lineWidth = unit;
    // A box has edges, the canvas too.
    pen.strokeRect(...box);
    pen.setLineDash([]);
  }
  if (state.pose?.before) drawPose(state.pose.before, state.net.skeleton, unit, '#ffffff');
  for (const person of found()) drawPose(person, state.net.skeleton, unit);
  element('whole').disabled = !state.box;
}

/** Everybody that was found, the best first. */
const found = () => (state.pose ? state.pose.people ?? [state.pose] : []);

/** Draws a pose, in the colours of its sides or in one. */
function drawPose({keypoints, scores}, {joints, limbs}, unit, colour) {
  const threshold = Number(element('threshold').value);
  const sure = scores.map((score) => score > threshold);
  // Pixel 0 has its middle at 0, but at 0.5 on a canvas.
  const at = keypoints.map(([x, y]) => [x + 0.5, y + 0.5]);
  pen.lineCap = 'round';
  const ends = limbs.map((names) => names.map((name) => joints.indexOf(name)));
  for (const [first, second] of ends.filter((pair) => pair.every((end) => sure[end]))) {
    for (const [width, ink] of [
      [3.4 * unit, '#141418'],
      [2.2 * unit, colour ?? COLOURS[sideOf(joints[first], joints[second])]],
    ]) {
      pen.strokeStyle = ink;
      pen.lineWidth = width;
      pen.beginPath();
      pen.moveTo(...at[first]);
      pen.lineTo(...at[second]);
      pen.stroke();
    }
  }
  joints.forEach((name, joint) => {
    if (!sure[joint]) return;
    pen.beginPath();
    pen.arc(...at[joint], 2 * unit, 0, 2 * Math.PI);
    pen.fillStyle = colour ?? COLOURS[sideOf(name)];
    pen.fill();
    pen.strokeStyle = '#141418';
    pen.lineWidth = 0.6 * unit;
    pen.stroke();
  });
}

function sideOf(...names) {
  return ['left', 'right'].find((side) =>
    names.every((name) => name.startsWith(`${side}_`))) ?? 'middle';
}

/** Numbers beside the picture: times (median of the last runs), the best's joints. */
function report() {
  element('threshold_value').textContent = Number(element('threshold').value).toFixed(2);
  if (!state.pose) return;
  const tell = (column) => {
    const times = state.times.map((pair) => pair[column]).sort((a, b) => a - b);
    return `${times[times.length >> 1].toFixed(1)} ms`;
  };
  element('net_time').textContent = tell(0);
  element('whole_time').textContent = tell(1);
  const threshold = Number(element('threshold').value);
  element('people').textContent = found().length;
  const [best] = found();
  const joints = best ? state.net.skeleton.joints : [];
  element('joints').replaceChildren(...joints.map((name, joint) => {
    const row = document.createElement('tr');
    const [x, y] = best.keypoints[joint];
    const score = best.scores[joint];
    row.className = score > threshold ? '' : 'unsure';
    for (const text of [name.replaceAll('_', ' '), x.toFixed(1), y.toFixed(1),
      score.toFixed(2)]) {
      row.insertCell().textContent = text;
    }
    return row;
  }));
}

async function startCamera() {
  if (!navigator.mediaDevices) {
    throw new Error('The camera needs a page from localhost or over https.');
  }
  const stream = await navigator.mediaDevices.getUserMedia(
    {video: {width: {ideal: 640}, height: {ideal: 480}}},
  ).catch((error) => { throw new Error(`No camera: ${error.message}`); });
  const video = document.createElement('video');
  video.muted = true;
  video.playsInline = true;
  video.srcObject = stream;
  await video.play();
  Object.assign(state, {camera: stream, box: null});
  element('camera').textContent = 'Stop camera';
  while (state.camera === stream) {
    adopt(pixelsOf(video, video.videoWidth, video.videoHeight));
    await look();
    await new Promise(requestAnimationFrame);
  }
  stream.getTracks().forEach((track) => track.stop());
}

function stopCamera() {
  state.camera = null;
  element('camera').textContent = 'Start camera';
}

/** A pointer event's place in the picture, as edge coordinates. */
function placeOf({clientX, clientY}) {
  const {left, top, width, height} = canvas.getBoundingClientRect();
  const clip = (value, most) => Math.min(Math.max(value, 0), most);
  return [
    clip(((clientX - left) / width) * canvas.width, canvas.width),
    clip(((clientY - top) / height) * canvas.height, canvas.height),
  ];
}

function followDrags() {
  let start = null;
  canvas.addEventListener('pointerdown', (event) => {
    if (!state.photo) return;
    canvas.setPointerCapture(event.pointerId);
    start = placeOf(event);
  });
  canvas.addEventListener('pointermove', (event) => {
    if (!start) return;
    const [x, y] = placeOf(event);
    state.drag = [Math.min(x, start[0]), Math.min(y, start[1]),
      Math.abs(x - start[0]), Math.abs(y - start[1])];
    draw();
  });
  const finish = guarded(async () => {
    const {drag} = state;
    start = null;
    state.drag = null;
    if (drag && Math.min(drag[2], drag[3]) >= SMALLEST_BOX) {
      await lookInto(drag);
    } else {
      draw();
    }
  });
  canvas.addEventListener('pointerup', finish);
  canvas.addEventListener('pointercancel', finish);
}

function listen() {
  element('file').addEventListener('change', guarded(async ({target}) => {
    if (target.files.length) await showPhoto(target.files[0]);
    target.value = '';
  }));
  element('camera').addEventListener('click', guarded(async () => {
    if (state.camera) stopCamera();
    else await startCamera();
  }));
  element('whole').addEventListener('click', guarded(() => lookInto(null)));
  element('threshold').addEventListener('input', () => { draw(); report(); });
  element('adapt').addEventListener('change', guarded(() => lookInto(state.box)));
  element('runner').addEventListener('change', ({target}) => {
    // The runtime is loaded once a page.
    const address = new URL(location.href);
    address.searchParams.set('accelerator', target.value);
    location.assign(address);
  });
  const stage = element('stage');
  stage.addEventListener('dragover', (event) => {
    event.preventDefault();
    stage.classList.add('dragged-over');
  });
  stage.addEventListener('dragleave', () => stage.classList.remove('dragged-over'));
  stage.addEventListener('drop', guarded(async (event) => {
    event.preventDefault();
    stage.classList.remove('dragged-over');
    if (event.dataTransfer.files.length) await showPhoto(event.dataTransfer.files[0]);
  }));
  followDrags();
}

async function start() {
  const chosen = new URLSearchParams(location.search);
  const accelerator = chosen.get('accelerator') ?? 'wasm';
  element('runner').value = accelerator;
  listen();
  const {model, metadata: told} = await loadModel('./', accelerator);
  state.net = new NETS[told.task](model, told);
  const {metadata, skeleton, input, inputSize: [height, width], runtime} = state.net;
  element('model').textContent =
    `${metadata.name ?? 'model'}: ${skeleton.joints.length} joints ` +
    `(${skeleton.name}), input ${width}×${height} ${input.dtype}`;
  element('runtime').textContent = runtime;
  element('threshold').value = metadata.score_threshold ?? 0.2;
  report();
  const {nodes, left} = state.net.operators;
  if (nodes) element('gpu').textContent = `${nodes - left} of ${nodes} operators`;
  element('adapting').hidden = !state.net.adapts;
  // A photo may have been opened while the model was loading.
  if (state.photo) await look();
  else if (chosen.has('picture')) await showPhoto(await download(chosen.get('picture')));
}

async function download(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address}: ${response.status}`);
  return response.blob();
}

guarded(start)();
