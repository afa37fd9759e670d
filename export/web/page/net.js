/** A model and its metadata in LiteRT.js, the same for all kinds of nets. */
import {loadAndCompile, loadLiteRt, Tensor} from '@litertjs/core';

/**
 * Loads the runtime (once a page), a model and its metadata.
 *
 * @param {string} folder that holds model.tflite, model.json and litertjs/.
 * @param {string} accelerator 'wasm' or 'webgpu'.
 */
export async function loadModel(folder, accelerator = 'wasm') {
  const metadata = await (await found(`${folder}model.json`)).json();
  await loadRuntime(`${folder}litertjs/core/wasm/`, accelerator);
  const bytes = await (await found(`${folder}model.tflite`)).arrayBuffer();
  // Half precision is too coarse for coordinates, which the model computes, too.
  const gpuOptions = {precision: 'fp32'};
  const model = await loadAndCompile(new Uint8Array(bytes), {accelerator, gpuOptions});
  return {model, metadata};
}

/** A compiled model with the metadata that lie beside its file. */
export class Net {
  /** Of the files in a folder, see `loadModel`. */
  static async load(folder, accelerator) {
    const {model, metadata} = await loadModel(folder, accelerator);
    return new this(model, metadata);
  }

  /** The first of these signatures that the model has is `plain`. */
  constructor(model, metadata, signatures) {
    this.model = model;
    this.metadata = metadata;
    this.skeleton = metadata.skeleton;
    // LiteRT.js may have chosen otherwise than it was asked to.
    const {accelerator, cpuOptions: {numThreads}} = model.options;
    const threads = `CPU, ${numThreads} thread${numThreads > 1 ? 's' : ''}`;
    const gpu = model.isFullyAccelerated ? 'GPU' : 'GPU, partly CPU';
    this.runtime = accelerator === 'wasm' ? threads : gpu;
    this.plain = signatures.find((name) => model.signatures[name]);
    if (!this.plain) {
      throw new Error(`The model has no signature ${signatures.join(' or ')}.`);
    }
    [this.input] = model.signatures[this.plain].getInputDetails();
    this.inputSize = [...this.input.shape].slice(1, 3);
    /** How many operators it has, and how many of them no GPU delegate takes. */
    const {nodes = 0, not_on_gpu: left = {}} =
      metadata.litert?.operators?.[this.plain] ?? {};
    this.operators = {nodes, left: Object.values(left).reduce((a, b) => a + b, 0)};
  }

  /** Tensors by name, to be deleted by the caller, of RGB bytes [H, W, 3]. */
  async call(pixels, signature) {
    const values = this.input.dtype === 'float32' ? Float32Array.from(pixels) : pixels;
    const tensor = new Tensor(values, [...this.input.shape]);
    const results = await this.model.run(signature, {[this.input.name]: tensor});
    tensor.delete();
    return results;
  }
}

/** What fetch found there. */
async function found(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status} ${response.statusText}`);
  return response;
}

/** Loads the wasm that suits the page; threads need a cross-origin isolated one. */
async function loadRuntime(folder, accelerator) {
  if (accelerator === 'webgpu') {
    if (!(await navigator.gpu?.requestAdapter())) {
      throw new Error('This browser offers no WebGPU adapter; run on the CPU instead.');
    }
    // With it, what the GPU cannot do runs on the CPU; without it, all does.
    const jspi = 'Suspending' in WebAssembly;
    await loadLiteRt(folder, {jspi});
    return;
  }
  if (globalThis.crossOriginIsolated) {
    try {
      await loadLiteRt(folder, {threads: true});
      return;
    } catch (error) {
      console.warn(`LiteRT.js without threads: ${error.message ?? error}`);
    }
  }
  await loadLiteRt(folder);
}
