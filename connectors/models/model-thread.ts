import { parentPort, workerData } from 'node:worker_threads'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { ModelThreadData, RunMessage, ThreadMessage } from './model-messages.ts'
import { openOnnx } from './onnx-runtime.ts'
import { inputOf } from './picture-input.ts'
import { PictureResampler } from './picture-resampler.ts'
import { openTensorFlow } from './tensorflow-runtime.ts'

/**
 * The program of a model's thread. `run` blocks this thread only. Pictures are fitted here too, from shared memory, so that the event loop of the process
 * only copies bytes.
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
  // Runs go one after the other: a library may read `values` in a later turn of the event loop, so the next run must not overwrite it.
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
    // The views throw where a row reaches past the buffer. Then the call fails, and the thread goes on.
    if (row.kind === 'values') values.set(new Float32Array(buffer, row.position, rowSize), at * rowSize)
    else resampler.write(new Uint8Array(buffer, row.position, row.height * row.width * 3), row.height, row.width, values, at * rowSize)
  })
}
