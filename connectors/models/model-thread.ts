import { parentPort, workerData } from 'node:worker_threads'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { ModelThreadData, RunMessage, ThreadMessage } from './model-messages.ts'
import { openOnnx } from './onnx-runtime.ts'
import { inputOf } from './picture-input.ts'
import { PictureResampler } from './picture-resampler.ts'
import { openTensorFlow } from './tensorflow-runtime.ts'

/**
 * A model's own thread: `run` blocks it, and only it. Pictures are fitted here too, out of the shared memory that they were
 * put into, so that the event loop of the process copies bytes and nothing else.
 */
const { path, runtime: library, gpu, fit } = workerData as ModelThreadData
const port = parentPort
if (port === null) throw new Error('This file runs in a worker thread.')

const say = (message: ThreadMessage) => port.postMessage(message)

try {
  const { runtime, warning } = library === 'onnx' ? await openOnnx(path, gpu) : await openTensorFlow(path, gpu)
  const input = inputOf(path, runtime.signature, fit)
  const resampler = new PictureResampler(input)
  let values = new Float32Array(0)
  say({ kind: 'ready', signature: runtime.signature, rowSize: input.rowSize, device: runtime.device, warning })
  const run = async (message: RunMessage): Promise<void> => {
    try {
      const needed = message.rows.length * input.rowSize
      if (values.length < needed) values = new Float32Array(needed)
      pack(message, values, input.rowSize, resampler)
      const outputs = await runtime.run(values.subarray(0, needed), [message.rows.length, ...input.shape])
      say({ kind: 'result', call: message.call, outputs })
    } catch (thrown) {
      say({ kind: 'failed', call: message.call, message: thrown instanceof Error ? thrown.message : String(thrown) })
    }
  }
  // One after the other: `values` is the model's until it has read it, and a library may read it in a later turn of the event loop.
  let last = Promise.resolve()
  port.on('message', (message: RunMessage) => {
    last = last.then(() => run(message))
  })
} catch (thrown) {
  const error = WaggleError.from('WAGGLE_MODEL_INVALID', thrown, {
    message: `${path} cannot be loaded`,
    next: 'See that the file is whole and of the right kind.',
  })
  say({ kind: 'broken', code: error.code, message: error.message, next: error.next })
}

function pack({ buffer, rows }: RunMessage, values: Float32Array, rowSize: number, resampler: PictureResampler): void {
  rows.forEach((row, at) => {
    // The views throw where a row reaches past the buffer: that fails its call, and not the thread.
    if (row.kind === 'values') values.set(new Float32Array(buffer, row.position, rowSize), at * rowSize)
    else resampler.write(new Uint8Array(buffer, row.position, row.height * row.width * 3), row.height, row.width, values, at * rowSize)
  })
}
